//! The twin cookie: a click that is read from one is written as it can be read again, and then left alone.

use super::{NOW, oracle};
use selvedge::click::{Click, Place};
use selvedge::segment::twin::{Repair, Twin, issue, read, repair, value};

pub fn target(bytes: &[u8]) {
    let names = oracle::names();
    let twin = read(bytes, &names);
    let Twin::Ours(id) = &twin else { return };
    let written = value(id, &names);
    assert_eq!(read(written.as_bytes(), &names), twin);
    let field = issue(id, &names, Some("shop.example")).unwrap();
    // No byte of it ends the cookie's value early.
    assert_eq!(field.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap().1, written);
    let master = Click { id: id.clone(), at: NOW, place: Place::Cookie };
    assert_eq!(repair(Some(&twin), Some(&master)), Repair::Leave);
    assert_eq!(repair(Some(&twin), None), Repair::Delete);
}
