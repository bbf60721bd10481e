//! Makes a block of transfers for a runtime of which only smaller blocks are at hand.
//!
//! `pvf-blocks FIXTURES OUT TRANSFERS [STATE_ROOT]`, see `README.md`.

mod chain;
mod relay;
mod trie;

use chain::{ACCOUNTS, BlockData, Header};
use parity_scale_codec::{Compact, Encode};
use std::{error::Error, fs, path::Path};
use trie::{Hash, Trie, Version};

/// How many accounts can send, each once.
const SENDERS: u32 = 1_000;
/// How many other accounts there are.
const OTHERS: u32 = 20_000;
/// What a sender has at first.
const SENDER_FREE: u128 = 1_000_000_000_000_000;
/// What another account has at first.
const OTHER_FREE: u128 = 5_000_000_000;
/// What the first sender transfers. Each of the others transfers one more than the one before.
const AMOUNT: u128 = 10_000_000;
/// The number of the relay parent, up to which messages were looked for.
const RELAY_PARENT: u32 = 100;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (fixtures, out, transfers, state_root) = match &arguments[..] {
        [fixtures, out, transfers] => (fixtures, out, transfers.parse()?, Hash::default()),
        [fixtures, out, transfers, root] => (fixtures, out, transfers.parse()?, hash(root)?),
        _ => return Err("usage: pvf-blocks FIXTURES OUT TRANSFERS [STATE_ROOT]".into()),
    };
    let made = make(Path::new(fixtures), transfers, state_root)?;
    let out = Path::new(out);
    fs::write(out.join("parent-head.hex"), hex(&made.parent.encode()))?;
    fs::write(out.join("relay-parent-storage-root.hex"), hex(&made.relay_root))?;
    fs::write(out.join(format!("case-{transfers}.pov")), made.block.encode())?;
    fs::write(out.join(format!("case-{transfers}.result")), result(&made.block.header))?;
    Ok(())
}

/// A block, and what it builds on.
struct Made {
    parent: Header,
    relay_root: Hash,
    block: BlockData,
}

/// The genesis of the fixtures with other accounts, and a block of so many transfers on it.
fn make(fixtures: &Path, transfers: u32, state_root: Hash) -> Result<Made, Box<dyn Error>> {
    if transfers > SENDERS {
        return Err(format!("each transfer needs a sender, and there are {SENDERS}").into());
    }
    let old_head = unhex(&fs::read_to_string(fixtures.join("parent-head.hex"))?)?;
    let mut parent = Header::decode(&mut &old_head[..])?;
    let mut block = BlockData::decode(&fs::read(fixtures.join("case-10.pov"))?)?;

    let mut state = Trie::from_proof(&block.proof, Version::V1)?;
    if state.root() != parent.state_root {
        return Err("the proof isn't one of the parent's state".into());
    }
    state.remove_prefix(&ACCOUNTS)?;
    let senders: Vec<_> = (0..SENDERS).map(chain::sender).collect();
    for sender in &senders {
        let key = chain::account_key(&sender.public.to_bytes());
        state.insert(&key, chain::account_value(SENDER_FREE))?;
    }
    for other in (0..OTHERS).map(chain::other) {
        state.insert(&chain::account_key(&other), chain::account_value(OTHER_FREE))?;
    }
    parent.state_root = state.root();

    let genesis = parent.hash();

    // Before the transfers, a block has what its collator says of the relay chain, and the time.
    block.extrinsics.truncate(2);
    let told = relay::Told::decode(&block.extrinsics[0])?.with_parent_head(parent.encode())?;
    block.extrinsics[0] = told.encode();
    for (index, sender) in (0..transfers).zip(&senders) {
        // To an account that there is, and to a new one, by turns.
        let receiver = chain::other(if index % 2 == 0 { index } else { OTHERS + index });
        state.record(&chain::account_key(&sender.public.to_bytes()));
        state.record(&chain::account_key(&receiver));
        let amount = AMOUNT + u128::from(index);
        block.extrinsics.push(chain::transfer(sender, &receiver, amount, &genesis));
    }
    block.proof = state.proof();
    block.header = Header {
        parent: genesis,
        number: 1,
        state_root,
        extrinsics_root: block.extrinsics_root()?,
        digest: told.digest(),
    };
    Ok(Made { parent, relay_root: told.storage_root, block })
}

/// The `ValidationResult` of a block without messages.
fn result(header: &Header) -> Vec<u8> {
    let (upgrade, upward, horizontal) = (None::<()>, Compact(0u32), Compact(0u32));
    (header.encode(), upgrade, upward, horizontal, 0u32, RELAY_PARENT).encode()
}

fn hash(text: &str) -> Result<Hash, Box<dyn Error>> {
    unhex(text)?.try_into().map_err(|_| "a hash has 32 bytes".into())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let digits: Vec<u8> = text.trim().trim_start_matches("0x").bytes().collect();
    let pairs = digits.chunks(2).map(|pair| Ok(u8::from_str_radix(str::from_utf8(pair)?, 16)?));
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::Told;
    use schnorrkel::{PublicKey, Signature};

    fn fixture(name: &str) -> Option<Vec<u8>> {
        let folder = std::env::var_os("PVF_FIXTURES")?;
        Some(fs::read(Path::new(&folder).join("cumulus").join(name)).expect("the fixture is there"))
    }

    #[test]
    fn real_blocks_are_written_as_they_were_read() {
        for name in ["case-10.pov", "case-200.pov"] {
            let Some(bytes) = fixture(name) else { return };
            let block = BlockData::decode(&bytes).expect("it is block data");
            assert_eq!(block.extrinsics_root(), Ok(block.header.extrinsics_root));

            let head = fixture("parent-head.hex").expect("it is there");
            let head = unhex(&String::from_utf8(head).expect("it is text")).expect("it is hex");
            let parent = Header::decode(&mut &head[..]).expect("it is a header");
            assert_eq!(parent.hash(), block.header.parent);

            let state = Trie::from_proof(&block.proof, Version::V1).expect("it is a proof");
            assert_eq!(state.root(), parent.state_root);
            assert_eq!(state.proof(), block.proof);
            assert_eq!(block.encode(), bytes);

            let told = Told::decode(&block.extrinsics[0]).expect("the first extrinsic tells");
            assert_eq!(told.encode(), block.extrinsics[0]);
            assert_eq!(told.digest(), block.header.digest);
            let same = told.with_parent_head(head.clone()).expect("the relay chain has a head");
            assert_eq!(same.encode(), block.extrinsics[0]);
        }
    }

    #[test]
    fn transfers_are_signed_as_real_ones_are() {
        let Some(bytes) = fixture("case-10.pov") else {
            return;
        };
        let block = BlockData::decode(&bytes).expect("it is block data");
        let genesis = block.header.parent;
        let real = &block.extrinsics[2];
        let sender = chain::sender(0);
        let receiver: [u8; 32] = real[105..137].try_into().expect("it has 32 bytes");
        let made = chain::transfer(&sender, &receiver, AMOUNT, &genesis);
        assert_eq!(made, chain::transfer(&sender, &receiver, AMOUNT, &genesis));

        for transfer in [real, &made] {
            let public = PublicKey::from_bytes(&transfer[2..34]).expect("it is a key");
            let signature = Signature::from_bytes(&transfer[35..99]).expect("it is a signature");
            let payload = chain::payload(&transfer[102..], &genesis);
            assert!(public.verify_simple(b"substrate", &payload, &signature).is_ok());
        }
        assert_eq!(real[99..], made[99..]);
    }

    #[test]
    fn a_made_block_proves_the_state_that_its_parent_names() {
        let Some(folder) = std::env::var_os("PVF_FIXTURES") else {
            return;
        };
        let fixtures = Path::new(&folder).join("cumulus");
        let made = make(&fixtures, 20, Hash::default()).expect("it can be made");
        let state = Trie::from_proof(&made.block.proof, Version::V1).expect("it is a proof");
        assert_eq!(state.root(), made.parent.state_root);
        assert_eq!(state.proof(), made.block.proof);
        assert_eq!(made.block.header.parent, made.parent.hash());
        assert_eq!(made.block.extrinsics.len(), 22);
    }
}
