//! A sum over what a delivery says, so that one whose bytes the disk has changed is not sent.

use crate::store::DraftRow;
use sha2::{Digest, Sha256};

/// The first eight bytes of a SHA-256 over all that is sent or decides how.
pub(super) fn sum(draft: &DraftRow) -> i64 {
    let texts = [Some(&draft.program), Some(&draft.endpoint), Some(&draft.params), draft.order_id.as_ref()];
    let hash = texts.into_iter().chain([draft.call.as_ref()]).fold(Sha256::new(), |hash, text| {
        let text = text.map_or(&[][..], |text| text.as_bytes());
        hash.chain_update((text.len() as u64).to_le_bytes()).chain_update(text)
    });
    let hash: [u8; 32] = hash.chain_update([u8::from(draft.unrepeatable)]).finalize().into();
    hash.first_chunk().map_or(0, |first| i64::from_le_bytes(*first))
}
