//! Real PVFs with real blocks, and with damaged ones.

use crate::{
    case::{Case, mutate},
    random::Random,
};
use parity_scale_codec::Encode;
use pvf_host_core::primitives::{Hash, ValidationParams, compression, hex};
use std::path::PathBuf;

/// A folder that is read.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    /// Its files, ordered by name.
    pub(crate) fn files(&self) -> Result<Vec<PathBuf>, String> {
        let entries =
            std::fs::read_dir(&self.0).map_err(|error| format!("{}: {error}", self.0.display()))?;
        let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        files.sort();
        Ok(files)
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, String> {
        std::fs::read(self.0.join(name)).map_err(|error| format!("{name}: {error}"))
    }

    fn code(&self, name: &str) -> Result<Vec<u8>, String> {
        let blob = self.read(name)?;
        let code = compression::decompress(&blob, compression::CODE_LIMIT);
        Ok(code.map_err(|error| format!("{name}: {error}"))?.into_owned())
    }

    fn hex(&self, name: &str) -> Result<Vec<u8>, String> {
        let text =
            String::from_utf8(self.read(name)?).map_err(|error| format!("{name}: {error}"))?;
        hex::decode(text.trim()).map_err(|error| format!("{name}: {error}"))
    }
}

/// The relay parent's storage root of the blocks of the Cumulus parachain.
const STORAGE_ROOT: &str = "062f840f559847d3d7f3475c42d65a1f94b6780caa71d68e5efc694905c21663";

/// Each of the real PVFs with its blocks, `mutations` times damaged.
pub(crate) fn real(folder: &Folder, mutations: usize) -> Result<Vec<Case>, String> {
    let adder = ValidationParams {
        parent_head: folder.hex("adder-parent-head.hex")?.into(),
        block_data: Vec::new().into(),
        relay_parent_number: 1,
        relay_parent_storage_root: Hash::default(),
        extension: None,
    };
    let root = hex::decode_array(STORAGE_ROOT).map_err(|error| error.to_string())?;
    let cumulus = ValidationParams {
        parent_head: folder.hex("cumulus/parent-head.hex")?.into(),
        relay_parent_number: 100,
        relay_parent_storage_root: Hash::from(root),
        ..adder.clone()
    };
    let junk = Random::new("junk", 0).bytes(100);
    let mut cases = Vec::new();
    let mut add = |name: &str, code: Vec<u8>, params: &ValidationParams, blocks: &[Vec<u8>], n| {
        let mut random = Random::new(name, 0);
        let mut inputs = Vec::new();
        for block in blocks {
            inputs.push(ValidationParams { block_data: block.clone().into(), ..params.clone() });
            for _ in 0..n {
                let mut damaged = block.clone();
                mutate(&mut random, &mut damaged);
                inputs.push(ValidationParams { block_data: damaged.into(), ..params.clone() });
            }
        }
        let mut inputs: Vec<_> = inputs.iter().map(Encode::encode).collect();
        if let Some(first) = inputs.first().cloned() {
            for _ in 0..n {
                let mut damaged = first.clone();
                mutate(&mut random, &mut damaged);
                inputs.push(damaged);
            }
        }
        cases.push(Case { name: name.to_owned(), code, inputs, ..Case::default() });
    };
    let blocks = [folder.read("adder-good.block")?, folder.read("adder-bad.block")?];
    add("adder", folder.code("adder.blob")?, &adder, &blocks, mutations);
    for name in ["asset-hub-polkadot", "collectives-polkadot"] {
        add(name, folder.code(&format!("{name}.blob"))?, &adder, std::slice::from_ref(&junk), 0);
    }
    let blocks =
        ["cumulus/case-10.pov", "cumulus/case-10.badsig.pov"].map(|name| folder.read(name));
    let blocks = blocks.into_iter().collect::<Result<Vec<_>, _>>()?;
    add("cumulus", folder.code("cumulus/para.blob")?, &cumulus, &blocks, mutations);
    let large = folder.read("cumulus/case-200.pov")?;
    add("cumulus-200", folder.code("cumulus/para.blob")?, &cumulus, &[large], mutations / 20);
    Ok(cases)
}
