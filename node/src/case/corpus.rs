//! Finding case files.

use crate::failure::Failure;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The case files that the paths name: files as they are, and of folders every file in them, at any
/// depth, whose name ends in `.toml`, in the order of their names. What begins with a dot is left
/// out.
///
/// # Errors
///
/// When a folder can't be read, or nothing is found.
pub(crate) fn find(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    for path in paths {
        let before = found.len();
        if path.is_dir() {
            walk(path, &mut found)?;
        } else {
            found.push(path.clone());
        }
        if found.len() == before {
            let message = format!("{} holds no case: no file named *.toml", path.display());
            return Err(Failure::usage(message));
        }
    }
    Ok(found)
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let list = || -> io::Result<Vec<_>> {
        let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        // A link to a folder is not followed: it might lead in a circle.
        entries.iter().map(|entry| Ok((entry.path(), entry.file_type()?.is_dir()))).collect()
    };
    let entries = list()
        .map_err(|error| Failure::usage(format!("can't read {}: {error}", folder.display())))?;
    for (path, is_folder) in entries {
        let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes()[0] == b'.');
        let is_case = path.extension().is_some_and(|extension| extension == "toml");
        if is_hidden {
        } else if is_folder {
            walk(&path, found)?;
        } else if is_case && !path.is_dir() {
            found.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_folder_stands_for_the_cases_in_it_at_any_depth() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for directory in ["b", "b/deep", ".hidden", "empty", "c.toml"] {
            fs::create_dir(path(directory)).unwrap();
        }
        for file in ["z.toml", "a.toml", "b/deep/x.toml", "notes.md", ".hidden/y.toml", "b/.y.toml"]
        {
            fs::write(path(file), "").unwrap();
        }
        symlink("a.toml", path("link.toml")).unwrap();
        symlink("..", path("b/up")).unwrap();
        symlink("..", path("b/up.toml")).unwrap();
        let found = find(&[folder.path().into()]).unwrap();
        let expected = ["a.toml", "b/deep/x.toml", "link.toml", "z.toml"].map(path);
        assert_eq!(found, expected);
        // A file is taken whatever it is called.
        assert_eq!(find(&[path("notes.md")]).unwrap(), [path("notes.md")]);
        assert!(find(&[path("a.toml"), path("empty")]).is_err());
    }
}
