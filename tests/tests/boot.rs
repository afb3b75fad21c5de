//! boot.rs - the medium of the tiny gates starts by BIOS and UEFI, as a CD and as a disk.

use std::fs;
use tests::World;

/// The options of each way.
const WAYS: [&[&str]; 4] = [&[], &["--disk"], &["--uefi"], &["--uefi", "--disk"]];

#[test]
fn a_medium_starts_in_all_four_ways() {
    let world = World::up();
    let said = world.run("lamplighter", &["build"]);
    assert_eq!(said.status, 0, "{}\n{}\n{}", said.out, said.err, world.story());
    let release = fs::read_to_string(world.gates.join("illumos/usr/src/data/release")).unwrap();
    let release = release.lines().next().unwrap().trim();
    let medium = world.stage("release/default/media").join("tiny.iso");
    let before = fs::read(&medium).unwrap();
    for options in WAYS {
        let said = world.run("lamplighter", &[&["boot"], options].concat());
        let story = format!("{options:?}: {}\n{}", said.out, said.err);
        assert_eq!(said.status, 0, "{story}");
        for line in ["boot_archive.hash: ok", release, "unix: done"] {
            assert!(said.out.contains(line), "{line}: {story}");
        }
        // The firmware of UEFI says on the serial line what it starts; a BIOS says nothing there.
        assert_eq!(said.out.contains("BdsDxe: starting"), options.contains(&"--uefi"), "{story}");
        if options.contains(&"--uefi") {
            let disk = said.out.contains("UEFI QEMU HARDDISK");
            assert_eq!(disk, options.contains(&"--disk"), "{story}");
        }
    }
    assert!(fs::read(&medium).unwrap() == before, "a guest wrote to the medium");
}
