//! Disks that fill up or turn read-only while a host runs, for real: file systems of their own, in a
//! mount namespace of their own.

use pvf_host_core::{InternalError, PrepareError, Validation, ValidationError};
use pvf_tests::{
    OnPrepare, Scratch, Script, TestHost,
    mounts::{in_own_mounts, mount},
    programs,
    request::{approval, hash_head},
    valid_head,
};
use std::{fs, io::Write};

/// A host whose cache is a file system of two mebibytes, and which reads each artifact from it.
async fn host_on_a_disk() -> TestHost {
    let scratch = Scratch::new(programs!());
    fs::create_dir(scratch.cache()).unwrap();
    let cache = scratch.cache();
    mount(&["-t", "tmpfs", "-o", "size=2m", "tmpfs", cache.to_str().unwrap()]);
    scratch.start(scratch.config().hot_workers_max(0)).await.unwrap()
}

fn script(salt: u64, padding: u32) -> Script {
    Script::prepare(OnPrepare::SucceedWithPadding(padding)).salt(salt)
}

/// What the host says could not be done to the cache.
fn trouble(host: &TestHost, validation: Validation) -> String {
    match validation.verdict {
        Err(ValidationError::Internal(InternalError::Preparation(PrepareError::Store(reason)))) => {
            assert!(reason.contains(host.scratch().cache().to_str().unwrap()), "{reason}");
            reason
        }
        other => panic!("{other:?}"),
    }
}

async fn assert_valid(host: &TestHost, script: &Script) {
    let request = approval(script.pvf());
    assert_eq!(valid_head(host.validate(request.clone()).await), hash_head(&request));
}

#[test]
fn a_full_disk_is_trouble_until_there_is_room() {
    in_own_mounts("a_full_disk_is_trouble_until_there_is_room", async || {
        let host = host_on_a_disk().await;
        assert_valid(&host, &script(0, 1000)).await;
        let filler = host.scratch().cache().join("filler");
        let mut file = fs::File::create(&filler).unwrap();
        while file.write_all(&[1; 4096]).is_ok() {}

        for salt in [1, 2, 1] {
            let request = approval(script(salt, 1000).pvf());
            let reason = trouble(&host, host.validate(request).await);
            assert!(reason.contains("No space left on device"), "{reason}");
            // What is there is as good as ever.
            assert_valid(&host, &script(0, 1000)).await;
        }
        assert_eq!(host.scratch().temporary_files().len(), 0);
        // A little room is not enough for everything.
        file.set_len(1 << 20).unwrap();
        let filled = (2 << 20) - (200 << 10);
        while file.metadata().unwrap().len() < filled && file.write_all(&[1; 4096]).is_ok() {}
        assert_valid(&host, &script(1, 1000)).await;
        for _ in 0..2 {
            let request = approval(script(3, 1 << 20).pvf());
            trouble(&host, host.validate(request).await);
            assert_eq!(host.scratch().temporary_files().len(), 0);
        }
        drop(file);
        fs::remove_file(&filler).unwrap();
        for (salt, padding) in [(2, 1000), (3, 1 << 20), (0, 1000)] {
            assert_valid(&host, &script(salt, padding)).await;
        }
        host.shut_down().await;
    });
}

#[test]
fn a_disk_that_turns_read_only_is_trouble_until_it_turns_back() {
    in_own_mounts("a_disk_that_turns_read_only_is_trouble_until_it_turns_back", async || {
        let host = host_on_a_disk().await;
        assert_valid(&host, &script(0, 1000)).await;
        let cache = host.scratch().cache();
        mount(&["-o", "remount,ro", cache.to_str().unwrap()]);
        for _ in 0..2 {
            let request = approval(script(1, 1000).pvf());
            let reason = trouble(&host, host.validate(request).await);
            assert!(reason.contains("Read-only file system"), "{reason}");
            assert_valid(&host, &script(0, 1000)).await;
        }
        mount(&["-o", "remount,rw", cache.to_str().unwrap()]);
        assert_valid(&host, &script(1, 1000)).await;
        host.shut_down().await;
    });
}
