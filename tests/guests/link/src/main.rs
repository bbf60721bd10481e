//! The last step in building a guest for PolkaVM: what a linker has made for a RISC-V machine becomes
//! a PolkaVM program. And before the first: it knows what that machine is.

use polkavm_linker::{
    Config, TARGET_JSON_32_BIT_NEW, TARGET_JSON_64_BIT_NEW, TargetInstructionSet, program_from_elf,
};
use std::{env, error::Error, fs};

/// As in WebAssembly, see `build`: guests have as much memory left on both machines.
const STACK: u32 = 64 << 10;

const USAGE: &str = "usage: link target 32|64 OUTPUT.json
       link latest|jam-v1|revive-v1 INPUT.elf OUTPUT.polkavm";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [what, input, output] = &arguments[..] else { return Err(USAGE.into()) };
    let instruction_set = match (&what[..], &input[..]) {
        // Compilers since 1.96 want the calling convention said twice.
        ("target", "32") => {
            let machine = TARGET_JSON_32_BIT_NEW.replacen('{', "{\n  \"abi\": \"ilp32e\",", 1);
            return Ok(fs::write(output, machine)?);
        }
        ("target", "64") => return Ok(fs::write(output, TARGET_JSON_64_BIT_NEW)?),
        ("latest", _) => TargetInstructionSet::Latest,
        ("jam-v1", _) => TargetInstructionSet::JamV1,
        ("revive-v1", _) => TargetInstructionSet::ReviveV1,
        _ => return Err(USAGE.into()),
    };
    let mut config = Config::default();
    config.set_strip(true).set_min_stack_size(STACK);
    let program = program_from_elf(config, instruction_set, &fs::read(input)?)?;
    Ok(fs::write(output, program)?)
}
