//! How the backend makes itself known.

use crate::{
    guests::GUESTS,
    subject::Subject,
    test::{Verdict, demands, ensure},
};
use pvf_host_core::{
    backend::{self, CodePrefix},
    primitives::compression,
};

demands! {
    "descriptor";
    it_is_linked_once: "A descriptor with the backend's name is submitted with `inventory::submit!`, \
        once, and is in the program because something of its crate is used.";
    no_guest_is_missing: "All guests that the suite needs are there, in the backend's format.";
    it_says_its_version: "The descriptor's `version` says something.";
    it_accepts_its_guests: "`accepts` is true for how each guest begins.";
    it_accepts_its_guests_compressed: "`accepts` is true for how each guest begins behind its \
        compression: it is asked about the decompressed code.";
    it_does_not_accept_what_is_no_code: "`accepts` is false for no bytes at all and for text: else no \
        other backend could be linked beside this one.";
    it_does_not_accept_another_format: "`accepts` is false for the beginning of the other formats that \
        PVFs have.";
}

fn it_is_linked_once(subject: &Subject) -> Verdict {
    subject.backend().map(drop)
}

fn no_guest_is_missing(subject: &Subject) -> Verdict {
    subject.guests.check()
}

fn it_says_its_version(subject: &Subject) -> Verdict {
    ensure!(!subject.backend()?.version.trim().is_empty(), "the version is empty");
    Ok(())
}

fn it_accepts_its_guests(subject: &Subject) -> Verdict {
    for guest in GUESTS {
        let prefix = CodePrefix::of(subject.code(guest)?);
        ensure!((subject.backend()?.accepts)(&prefix), "{} is not accepted", guest.name);
    }
    Ok(())
}

fn it_accepts_its_guests_compressed(subject: &Subject) -> Verdict {
    for guest in GUESTS {
        let code = compression::compress(subject.code(guest)?, 3).map_err(|e| e.to_string())?;
        let prefix = CodePrefix::of(&code);
        ensure!((subject.backend()?.accepts)(&prefix), "{} is not accepted", guest.name);
    }
    Ok(())
}

fn it_does_not_accept_what_is_no_code(subject: &Subject) -> Verdict {
    for code in [&b""[..], b"hello world, this is no code"] {
        let prefix = CodePrefix::of(code);
        ensure!(!(subject.backend()?.accepts)(&prefix), "code that {prefix} is accepted");
    }
    Ok(())
}

fn it_does_not_accept_another_format(subject: &Subject) -> Verdict {
    let own = CodePrefix::of(subject.code(GUESTS[0])?);
    for magic in [&b"\0asm\x01\0\0\0"[..], b"PVM\0\x01\0\0\0"] {
        let prefix = CodePrefix::of(magic);
        ensure!(
            own.starts_with(&magic[..4])
                || !(backend::find(&subject.id).map_err(|e| e.to_string())?.accepts)(&prefix),
            "code that {prefix} is accepted"
        );
    }
    Ok(())
}
