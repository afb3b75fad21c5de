//! transcript.rs - a day of an administrator (tests/transcript), compared whole.

use tests::case::{Case, difference};
use tests::smf::Root;
use tests::top;

#[test]
fn a_day_of_an_administrator() {
    let case = Case::read(&top().join("tests/transcript"));
    assert!(case.commands() >= 60, "{} commands", case.commands());
    let root = Root::up();
    let said = case.play(&root);
    if let Some(difference) = difference(&case.expected(), &said) {
        panic!("{difference}");
    }
}
