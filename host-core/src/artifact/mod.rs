//! Artifacts: what identifies one, how it lies on disk, and when it goes.
//!
//! An artifact is named by its [`ArtifactId`] and lives in the directory of the [`Environment`] it
//! was made in: `<cache>/<environment>/<artifact>`. The [`Cache`] is that tree as anyone may look at
//! it; the `ArtifactStore` is the one host's that owns it, and holds the lock. [`format`](mod@format) defines
//! the bytes of a file.
//!
//! Nothing here is trusted for being there: a header holds only if its checksum does, and a payload
//! only once the worker that is about to load it has verified the very bytes in its memory.

mod cache;
mod environment;
pub mod format;
mod identity;
mod key;
mod prune;
mod store;

pub use cache::{
    Cache, CacheEntry, CacheLock, EntryContent, EntryProblem, EnvironmentDirectory, KeptFunctions,
};
pub use environment::{BackendInput, Environment, EnvironmentDigest, EnvironmentInput};
pub use format::PrepareCost;
pub use identity::ArtifactId;
pub use key::CacheKey;
pub use prune::{PruneLimits, prune};
pub(crate) use store::{ArtifactStore, StoredArtifact};
pub use store::{LockError, ReadError};
