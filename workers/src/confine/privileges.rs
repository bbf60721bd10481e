//! A worker's user, its capabilities, and its Landlock domain.

#![expect(unsafe_code, reason = "changes user")]

use landlock::{
    ABI, Access, AccessFs, AccessNet, LandlockStatus, RestrictionStatus, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, Scope,
};
use pvf_host_core::sandbox::{Findings, Measure, Measures, State};
use rustix::{
    io::Errno,
    thread::{CapabilitySet, CapabilitySets},
};
use std::{io, ptr};

/// Becomes a user that owns nothing, if this process is root's and the host has found nothing against
/// that.
///
/// Even without a capability, root's processes may open what root owns.
pub(super) fn change_user(wanted: Measures, findings: &mut Findings) {
    /// The user that has nothing by convention, `nobody`.
    const NOBODY: u32 = 65534;
    if findings.state(Measure::OwnUser).is_some() {
        return;
    }
    findings.attempt(wanted, Measure::OwnUser, || {
        // SAFETY: no group is given. These three calls take numbers, and affect this process alone.
        let changed = unsafe {
            libc::setgroups(0, ptr::null()) == 0
                && libc::setresgid(NOBODY, NOBODY, NOBODY) == 0
                && libc::setresuid(NOBODY, NOBODY, NOBODY) == 0
        };
        if changed {
            Ok(State::Holds(format!("user {NOBODY}")))
        } else {
            Err(format!("setresuid: {}", io::Error::last_os_error()))
        }
    });
}

/// Gives up every capability for good: with [`Measure::NoNewPrivileges`], none can come back.
pub(super) fn drop_capabilities() -> io::Result<()> {
    match rustix::thread::clear_ambient_capability_set() {
        // Before Linux 4.3 there are none.
        Ok(()) | Err(Errno::INVAL) => {}
        Err(errno) => return Err(errno.into()),
    }
    let none = CapabilitySet::empty();
    let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
    Ok(rustix::thread::set_capabilities(None, sets)?)
}

/// Enters a domain in which nothing is allowed that the kernel's Landlock knows.
pub(super) fn enter_landlock() -> Result<State, String> {
    /// The newest that is known here. What the kernel does not know of it is left out.
    const NEWEST: ABI = ABI::V9;
    let enter = || -> Result<RestrictionStatus, RulesetError> {
        Ruleset::default()
            .handle_access(AccessFs::from_all(NEWEST))?
            .handle_access(AccessNet::from_all(NEWEST))?
            .scope(Scope::from_all(NEWEST))?
            .create()?
            .no_new_privs(false)
            .restrict_self()
    };
    match enter().map_err(|error| error.to_string())?.landlock {
        LandlockStatus::Available { effective_abi, kernel_abi } => {
            let abi = kernel_abi.unwrap_or(effective_abi as i32);
            Ok(match lacks(abi) {
                Some(rules) => State::HoldsInPart(format!("ABI {abi}, without rules for {rules}")),
                None => State::Holds(format!("ABI {abi}")),
            })
        }
        LandlockStatus::NotEnabled => Err("the kernel has it, and was booted without it".into()),
        LandlockStatus::NotImplemented => Err("the kernel does not have it".into()),
    }
}

/// What an older kernel's Landlock does not deny.
fn lacks(abi: i32) -> Option<&'static str> {
    match abi {
        ..3 => Some("truncating files, TCP, signals and abstract sockets"),
        3 => Some("TCP, signals and abstract sockets"),
        4..6 => Some("signals and abstract sockets"),
        _ => None,
    }
}
