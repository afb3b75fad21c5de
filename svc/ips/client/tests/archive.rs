//! Archives: what was packed is what is read, and no damage does more than be refused.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use dice::Dice;
use ips_client::{Control, Origin, ReceiveOptions, Source, SourceError, pack};
use ips_model::{Manifest, Pattern, Timestamp};
use ips_repository::{Repository, Sources};

/// A repository of three packages, one with a long name, and their archive.
fn packed(place: &Path) -> (Source, PathBuf) {
    let root = place.join("repository");
    let repository = Repository::create(&root).unwrap();
    let batch = repository.batch().unwrap();
    for name in ["a", "b/c++", "long/".repeat(20).trim_end_matches('/')] {
        let text = format!(
            "set name=pkg.fmri value=pkg://p.example/{name}@1.0-1\ndepend fmri=a type=require\n\
             file f path=f{} mode=0644 owner=root group=bin\n",
            name.len()
        );
        fs::write(place.join("f"), name.repeat(100)).unwrap();
        let sources = Sources { folders: vec![place.to_path_buf()], timestamps: Vec::new() };
        let manifest = Manifest::parse(&text).unwrap();
        batch.publish(&manifest, &sources, Timestamp::from_seconds(1_700_000_000)).unwrap();
    }
    batch.commit(Timestamp::from_seconds(1_700_000_000)).unwrap();
    let source = Source::open(&Origin::directory(&root)).unwrap();
    let archive = place.join("all.p5p");
    let all = [Pattern::parse("*").unwrap()];
    let options = ReceiveOptions::at(Timestamp::from_seconds(1_700_000_001));
    let chosen = pack(&[&source], &archive, &all, &options, &Control::silent()).unwrap();
    assert_eq!(chosen.len(), 3);
    (source, archive)
}

/// A manifest and what its payloads hold.
type Package = (String, Vec<Vec<u8>>);

/// Everything of every package, or the first refusal.
fn everything(source: &Source) -> Result<Vec<Package>, SourceError> {
    let mut all = Vec::new();
    for fmri in source.packages() {
        let (text, manifest) = source.manifest(&fmri)?;
        let payloads = manifest.actions.iter().filter(|action| action.payload_hash().is_some());
        let payloads = payloads.map(|action| source.contents(&fmri, action));
        all.push((text, payloads.collect::<Result<_, _>>()?));
    }
    Ok(all)
}

#[test]
fn what_was_packed_is_read() {
    let place = tempfile::tempdir().unwrap();
    let (source, archive) = packed(place.path());
    let read = Source::open(&Origin::archive(&archive)).unwrap();
    assert_eq!(everything(&read).unwrap(), everything(&source).unwrap());
    let dependencies = |source: &Source| source.catalogs()[0].dependency.clone();
    assert_eq!(dependencies(&read), dependencies(&source));
    // What is there already is not overwritten.
    let all = [Pattern::parse("a").unwrap()];
    let options = ReceiveOptions::at(Timestamp::from_seconds(1_700_000_001));
    let before = fs::read(&archive).unwrap();
    assert!(pack(&[&source], &archive, &all, &options, &Control::silent()).is_err());
    assert_eq!(fs::read(&archive).unwrap(), before);
}

#[test]
fn damage_is_refused_or_does_not_matter() {
    let place = tempfile::tempdir().unwrap();
    let (source, archive) = packed(place.path());
    let sound = everything(&source).unwrap();
    let bytes = fs::read(&archive).unwrap();
    let broken = place.path().join("broken.p5p");
    let mut refused = 0;
    for seed in 0..600 {
        let mut numbers = Dice(seed);
        let mut damaged = bytes.clone();
        if seed % 5 == 0 {
            damaged.truncate(numbers.place(bytes.len()));
        }
        for _ in 0..=numbers.place(8) {
            // Headers and the index are at the front.
            let end = if seed % 2 == 0 { 6_144 } else { damaged.len() };
            let at = numbers.place(end.min(damaged.len()).max(1));
            if let Some(byte) = damaged.get_mut(at) {
                *byte = numbers.roll() as u8;
            }
        }
        fs::write(&broken, &damaged).unwrap();
        match Source::open(&Origin::archive(&broken)).and_then(|source| everything(&source)) {
            // Without a catalog nothing signs a manifest, but every payload is what one names.
            Ok(read) => assert!(read.len() <= sound.len(), "seed {seed}"),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 50, "{refused}");
}
