//! Images: one of pkg5 is read, changed and written again; nothing is lost on the way.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use ips_client::image::{
    Change, Configuration, CreateOptions, Image, ImageError, ImageKind, Installed, RecordError,
    states,
};
use ips_model::digest::sha1_hex;
use ips_model::{Fmri, Timestamp};

const NOW: i64 = 1_800_000_000;

fn now() -> Timestamp {
    Timestamp::from_seconds(NOW)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap().path();
        let place = to.join(entry.file_name().unwrap());
        if entry.is_dir() {
            copy(&entry, &place);
        } else {
            fs::copy(&entry, &place).unwrap();
        }
    }
}

/// The image pkg5 made, with the repository it was made of.
fn golden() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    copy(&tests.join("image"), place.path());
    copy(&tests.join("../../repository/tests/golden/repo"), &place.path().join("repo"));
    let path = place.path().join("var/pkg/pkg5.image");
    let text = fs::read_to_string(&path).unwrap();
    let root = place.path().display().to_string();
    fs::write(&path, text.replace("$ROOT", &root)).unwrap();
    // The origins' catalogs lie in folders named by their URIs.
    for publisher in ["orchard.example", "harbour.example"] {
        let origins = place.path().join("var/pkg/publisher").join(publisher).join("origins");
        let old = fs::read_dir(&origins).unwrap().next().unwrap().unwrap().path();
        fs::rename(old, origins.join(sha1_hex(format!("file://{root}/repo/").as_bytes()))).unwrap();
    }
    place
}

fn fmri(text: &str) -> Fmri {
    Fmri::parse(text).unwrap()
}

/// Every file below the state folder.
fn state(root: &Path) -> BTreeMap<PathBuf, String> {
    let mut files = BTreeMap::new();
    let mut folders = vec![root.join("var/pkg/state")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.insert(path.clone(), fs::read_to_string(&path).unwrap());
            }
        }
    }
    files
}

#[test]
fn an_image_of_pkg5_is_read() {
    let place = golden();
    let image = Image::find(&place.path().join("var/pkg/state"), "pkg").unwrap();
    assert_eq!((image.root(), image.kind()), (place.path(), ImageKind::Full));
    let configuration = image.configuration();
    let prefixes: Vec<&str> =
        configuration.publishers().iter().map(|one| one.prefix.as_str()).collect();
    assert_eq!(prefixes, ["orchard.example", "harbour.example"]);
    assert_eq!(configuration.variants()["variant.debug.illumos"], "false");
    assert_eq!(configuration.mediators()["lang"].version.as_deref(), Some("1.10"));
    assert_eq!(configuration.property("signature-policy"), Some("verify"));
    let path = place.path().join("var/pkg/pkg5.image");
    assert_eq!(configuration.to_string(), fs::read_to_string(path).unwrap());
    assert_eq!(image.known().unwrap().counts(), (19, 25));
    assert_eq!(image.installed().unwrap().counts(), (12, 12));
    let pear = image.installed_version("fruit/pear").unwrap().unwrap();
    let package = image.installed().unwrap().get(&pear).unwrap();
    assert!(package.is(states::MANUAL) && package.last_update.is_some());
    let gone = fmri("pkg://orchard.example/old/gone@2.0-1:20240102T030405Z");
    assert!(image.known().unwrap().get(&gone).unwrap().is(states::OBSOLETE));
    assert_eq!(image.manifest(&pear).unwrap().fmri().unwrap(), pear);
    assert!(image.installed_dependencies().unwrap().get(&pear).is_some());
}

#[test]
fn what_is_not_kept_is_fetched_and_what_is_damaged_too() {
    let place = golden();
    let image = Image::open(place.path(), "pkg").unwrap();
    let boat = fmri("pkg://harbour.example/sea/boat@1.0-1:20240102T030405Z");
    assert_eq!(image.manifest(&boat).unwrap().fmri().unwrap(), boat);
    let pear = image.installed_version("fruit/pear").unwrap().unwrap();
    let path = image.manifest_path(&pear).unwrap();
    let whole = image.manifest(&pear).unwrap();
    fs::write(&path, "set name=pkg.fmri value=pkg://evil/pear@1\n").unwrap();
    assert_eq!(image.manifest(&pear).unwrap(), whole);
    fs::remove_dir_all(place.path().join("repo/publisher/orchard.example/pkg")).unwrap();
    assert!(image.manifest(&pear).is_err());
}

#[test]
fn packages_come_and_go() {
    let place = golden();
    let mut image = Image::open(place.path(), "pkg").unwrap();
    let lock = image.lock().unwrap();
    let (old, new) = (
        image.installed_version("fruit/pear").unwrap().unwrap(),
        fmri("pkg://orchard.example/fruit/pear@2.0-1:20240102T030405Z"),
    );
    let boat = fmri("pkg://harbour.example/sea/boat@1.0-1:20240102T030405Z");
    let tiny = image.installed_version("library/tiny").unwrap().unwrap();
    for fmri in [&new, &boat] {
        let (text, _) = image.manifest_text(fmri).unwrap();
        image.keep_manifest(&lock, fmri, &text).unwrap();
    }
    let since = image.installed().unwrap().get(&old).unwrap().last_install;
    let mut change = Change::at(now());
    change.installed = vec![
        Installed { fmri: new.clone(), manual: false },
        Installed { fmri: boat.clone(), manual: false },
    ];
    change.removed = vec![old.clone(), tiny.clone()];
    image.record(&lock, &change).unwrap();
    drop(lock);
    let image = Image::open(place.path(), "pkg").unwrap();
    let (known, installed) = (image.known().unwrap(), image.installed().unwrap());
    assert_eq!((known.counts(), installed.counts()), ((19, 25), (12, 12)));
    for catalog in [known, installed] {
        let pear = catalog.get(&new).unwrap();
        assert_eq!((pear.last_install, pear.last_update), (since, Some(now())));
        // Whom the user has named stays named through updates.
        assert!(pear.is(states::INSTALLED) && pear.is(states::MANUAL));
        let boat = catalog.get(&boat).unwrap();
        assert_eq!((boat.last_install, boat.last_update), (Some(now()), None));
        assert!(!boat.is(states::MANUAL));
    }
    assert!(installed.get(&old).is_none() && !known.get(&old).unwrap().is(states::INSTALLED));
    assert!(image.installed_summaries().unwrap().get(&boat).is_some());
    assert!(image.installed_summaries().unwrap().get(&tiny).is_none());
    assert!(image.known_summaries().unwrap().get(&tiny).is_some());
    assert!(!image.manifest_path(&tiny).unwrap().exists());
    assert!(place.path().join("var/pkg/state/avoid_set").exists());
    assert!(!place.path().join("var/pkg/state.new").exists());
}

#[test]
fn a_configuration_goes_with_its_state() {
    let place = golden();
    let mut image = Image::open(place.path(), "pkg").unwrap();
    let lock = image.lock().unwrap();
    let mut configuration = image.configuration().clone();
    configuration.set_facet("facet.doc.*", Some(false));
    let mut change = Change::at(now());
    change.configuration = Some(configuration.clone());
    image.record(&lock, &change).unwrap();
    assert!(!place.path().join("var/pkg/state/pkg5.image").exists());
    let text = fs::read_to_string(place.path().join("var/pkg/pkg5.image")).unwrap();
    assert!(text.contains("[facet]\nfacet.doc.%2A = False\n"), "{text}");
    // Killed before the file was moved: the new one holds, and is moved by the next who locks.
    drop(lock);
    configuration.set_variant("variant.arch", "sparc");
    let staged = place.path().join("var/pkg/state/pkg5.image");
    fs::write(&staged, configuration.to_string()).unwrap();
    fs::create_dir_all(place.path().join("var/pkg/state.new/known")).unwrap();
    let mut image = Image::open(place.path(), "pkg").unwrap();
    assert_eq!(image.configuration().variants()["variant.arch"], "sparc");
    drop(image.lock().unwrap());
    assert!(!staged.exists() && !place.path().join("var/pkg/state.new").exists());
    assert_eq!(image.configuration(), &configuration);
}

#[test]
fn a_new_image_is_an_image() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("a/root");
    for (kind, rootless) in [(ImageKind::Full, false), (ImageKind::User, true)] {
        let variants = [("variant.arch".to_string(), "i386".to_string())].into();
        let configuration = Configuration::new(&variants);
        let options = CreateOptions {
            kind,
            configuration,
            force: false,
            rootless,
            lasting: true,
            time: now(),
        };
        let root = root.join(kind.as_str());
        Image::create(&root, "pkg", &options).unwrap();
        assert!(Image::create(&root, "pkg", &options).is_err(), "there is one already");
        let forced = CreateOptions { force: true, ..options };
        Image::create(&root, "pkg", &forced).unwrap();
        let image = Image::open(&root, "pkg").unwrap();
        assert_eq!((image.kind(), image.installed().unwrap().counts()), (kind, (0, 0)));
        assert_eq!(image.table().unwrap().map(|table| table.len()), rootless.then_some(1));
        let attributes = fs::read_to_string(image.metadata().join("state/known/catalog.attrs"));
        let attributes = attributes.unwrap();
        assert!(attributes.ends_with("\"updates\":{},\"version\":1}\n"), "{attributes}");
        let base = fs::read_to_string(image.metadata().join("state/known/catalog.base.C")).unwrap();
        assert_eq!(base, "{}\n");
    }
}

#[test]
fn other_formats() {
    for (version, found) in [("3", "too old"), ("6", "newer than this program"), ("x", "no number")]
    {
        let place = golden();
        let path = place.path().join("var/pkg/pkg5.image");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replacen("version = 4", &format!("version = {version}"), 1)).unwrap();
        let error = Image::open(place.path(), "pkg").unwrap_err().to_string();
        assert!(error.contains(found), "{error}");
    }
    let place = golden();
    fs::rename(place.path().join("var/pkg/pkg5.image"), place.path().join("var/pkg/cfg_cache"))
        .unwrap();
    assert!(matches!(Image::open(place.path(), "pkg"), Err(ImageError::Old { .. })));
    let error = Image::open(&place.path().join("repo"), "pkg").unwrap_err().to_string();
    assert!(error.starts_with("No image rooted at '"), "{error}");
}

#[test]
fn torn_files_are_named_and_nothing_is_lost() {
    for name in [
        "pkg5.image",
        "state/known/catalog.base.C",
        "state/installed/catalog.base.C",
        "state/installed/catalog.summary.C",
    ] {
        let place = golden();
        let path = place.path().join("var/pkg").join(name);
        let text = fs::read_to_string(&path).unwrap();
        let half = &text[..text.len() / 2 - 3];
        fs::write(&path, format!("{half}\nx")).unwrap();
        let before = state(place.path());
        let said = change_something(place.path()).unwrap_err();
        assert!(said.starts_with(&path.display().to_string()), "{said}");
        assert_eq!(state(place.path()), before, "{name}");
    }
}

fn change_something(root: &Path) -> Result<(), String> {
    let mut image = Image::open(root, "pkg").map_err(|error| error.to_string())?;
    let lock = image.lock().map_err(|error| error.to_string())?;
    let mut change = Change::at(now());
    let version = image.installed_version("test/quoting").map_err(|error| error.to_string())?;
    change.removed.extend(version);
    image.record(&lock, &change).map_err(|error| error.to_string())
}

#[test]
fn nobody_else_changes_a_locked_image() {
    let place = golden();
    let mut image = Image::open(place.path(), "pkg").unwrap();
    let mut other = Image::open(place.path(), "pkg").unwrap();
    let _lock = image.lock().unwrap();
    assert!(matches!(other.lock(), Err(RecordError::Lock(_))));
}

#[test]
fn a_linked_state_folder_is_not_followed_away() {
    let (place, other) = (golden(), tempfile::tempdir().unwrap());
    let metadata = place.path().join("var/pkg");
    fs::rename(&metadata, other.path().join("pkg")).unwrap();
    symlink(other.path().join("pkg"), &metadata).unwrap();
    let error = Image::open(place.path(), "pkg").unwrap_err().to_string();
    assert!(error.contains("a symbolic link leads away"), "{error}");
}

#[test]
fn an_image_of_format_5_is_read_and_not_changed() {
    let place = golden();
    let before = Image::open(place.path(), "pkg").unwrap();
    let metadata = place.path().join("var/pkg");
    let database = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/image5/catalog.db");
    fs::copy(&database, metadata.join("state/catalog.db")).unwrap();
    let text = fs::read_to_string(metadata.join("pkg5.image")).unwrap();
    let installed = before.installed().unwrap().clone();
    let (known, summaries) = (before.known().unwrap().clone(), before.known_summaries().unwrap());
    let dependencies = before.installed_dependencies().unwrap();
    fs::write(metadata.join("pkg5.image"), text.replacen("version = 4", "version = 5", 1)).unwrap();
    for name in ["known", "installed"] {
        fs::remove_dir_all(metadata.join("state").join(name)).unwrap();
    }
    let mut image = Image::open(place.path(), "pkg").unwrap();
    assert_eq!(image.known().unwrap(), &known);
    assert_eq!(image.installed().unwrap(), &installed);
    assert_eq!(image.known_summaries().unwrap().publishers, summaries.publishers);
    assert_eq!(image.installed_dependencies().unwrap().publishers, dependencies.publishers);
    assert!(matches!(image.lock(), Err(RecordError::Format { format: 5, .. })));
    // Torn anywhere, it is told of; nothing panics, nothing is made up.
    let whole = fs::read(&database).unwrap();
    for step in 0..400 {
        let mut torn = whole.clone();
        let at = (step * 7_919) % torn.len();
        torn[at] ^= 0xff;
        if step % 5 == 0 {
            torn.truncate(at);
        }
        fs::write(metadata.join("state/catalog.db"), torn).unwrap();
        let image = Image::open(place.path(), "pkg").unwrap();
        if let Err(error) = image.known() {
            let begin = metadata.join("state/catalog.db").display().to_string();
            assert!(error.to_string().starts_with(&begin), "{error}");
        }
    }
}
