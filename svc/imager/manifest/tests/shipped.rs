//! The manifests that are shipped: all are in order, and say what they are for.

// The helpers of a test may fail as the test does.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use image_manifest::{Checked, Compression, Document, Form, Host, Native};

/// A machine on which only what is built in can be run.
struct Bare;

impl Host for Bare {
    fn can_run(&self, script: &str) -> bool {
        Native::of_script(script).is_some()
    }
}

fn images() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../packaging/images")
}

fn read(name: &str) -> Checked {
    let path = images().join(name);
    let text = fs::read_to_string(&path).unwrap();
    let folder = path.parent().unwrap();
    let document = Document::parse_including(&text, &mut |name| {
        fs::read_to_string(folder.join(name)).map_err(|error| error.to_string())
    });
    let document = document.unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(document.clone().with_defaults("x").check(&Bare).map(|_| ()), Ok(()), "{name}");
    document.with_defaults("x").check(&Bare).unwrap()
}

fn manifests(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(images().join(folder)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let manifests = names.filter(|name| name.ends_with(".xml"));
    manifests.map(|name| format!("{folder}{name}")).collect()
}

#[test]
fn all_are_in_order() {
    let all = [manifests(""), manifests("templates/")].concat();
    assert_eq!(all.len(), 16, "{all:?}");
    for name in all {
        let image = read(&name).image();
        assert!(!image.packages.is_empty(), "{name}");
        assert!(image.steps.iter().all(|step| step.native.is_some()), "{name}");
        let has = |native| image.steps.iter().any(|step| step.native == Some(native));
        assert!(has(Native::ImPop) && has(Native::BaArch) && has(Native::Iso), "{name}");
        assert!(!image.boot_archive.contents.is_empty(), "{name}");
        let names: BTreeSet<_> = image.steps.iter().map(|step| &step.name).collect();
        assert_eq!(names.len(), image.steps.len(), "{name}");
        let marks = fs::read_to_string(images().join(&name)).unwrap().matches("CHANGE: ").count();
        assert_eq!(marks >= 6, name.starts_with("templates/"), "{name}: {marks} marks");
    }
}

/// Of the guide to `distro_const build -l slim_cd_x86.xml`.
#[test]
fn the_live_cd_has_the_steps_of_the_guide() {
    let steps = [
        ("im-pop", "Populate the image with packages"),
        ("im-mod", "Image area modifications"),
        ("slim-im-mod", "Slim CD image area modifications"),
        ("ba-init", "Boot archive initialization"),
        ("slim-ba-config", "Slim CD boot archive configuration"),
        ("ba-config", "Boot archive configuration"),
        ("ba-arch", "Boot archive archiving (64-bit)"),
        ("ba-arch-32", "Boot archive archiving (32-bit)"),
        ("slim-post-mod", "Slim CD post boot archive image area modifications"),
        ("grub-setup", "Grub menu setup"),
        ("post-mod", "Post boot archive image area modification"),
        ("gen-slim-cont", "Generate Slim CD image content list"),
        ("iso", "ISO image creation"),
        ("usb", "USB image creation"),
    ];
    let image = read("slim_cd_x86.xml").image();
    let told: Vec<_> = image.steps.iter().map(|s| (s.name.as_str(), s.message.as_str())).collect();
    assert_eq!(told, steps);
}

#[test]
fn a_form_says_what_the_other_says() {
    for (old, dc) in [
        ("slim_cd_x86.xml", "dc_livecd.xml"),
        ("all_lang_slim_cd_x86.xml", "dc_livecd_all_lang.xml"),
        ("text_mode_x86.xml", "dc_text_x86.xml"),
        ("ai_x86_image.xml", "dc_ai_x86.xml"),
        ("server_x86.xml", "dc_server_x86.xml"),
    ] {
        let (old, dc) = (read(old).image(), read(dc).image());
        assert_eq!((old.form, dc.form), (Form::Distribution, Form::Dc));
        assert_eq!(old.name, dc.name);
        assert_eq!(old.publishers, dc.publishers, "{}", old.name);
        assert_eq!(old.root_password, dc.root_password, "{}", old.name);
        assert_eq!(old.host_name, dc.host_name, "{}", old.name);
        assert_eq!(old.boot_archive, dc.boot_archive, "{}", old.name);
        assert_eq!(old.live_compression, dc.live_compression, "{}", old.name);
        assert_eq!(old.pairs, dc.pairs, "{}", old.name);
        let arguments = |image: &image_manifest::Image, native| {
            let step = image.steps.iter().find(|step| step.native == Some(native)).cloned();
            step.map(|step| step.arguments)
        };
        for native in [Native::BaConfig, Native::GrubSetup, Native::BaArch] {
            let (of_old, of_dc) = (arguments(&old, native), arguments(&dc, native));
            assert_eq!(of_old, of_dc, "{}: {native:?}", old.name);
        }
    }
}

#[test]
fn values_are_asked_for_as_scripts_do() {
    let checked = read("templates/slim_cd_x86.xml");
    let document = checked.document();
    for (path, values) in [
        ("name", &["Distribution_Live_X86"][..]),
        ("distro_constr_params/distro_constr_flags/stop_on_error", &["true"]),
        ("img_params/pkg_repo_default_authority/main/authname", &["example.org"]),
        ("img_params/live_img_compression/type", &["lzma"]),
        ("img_params/live_img_compression/level", &["0"]),
        (
            "distro_constr_params/output_image/finalizer/script[name=\"/usr/share/distro_const/\
             post_boot_archive_pkg_image_mod\"]/argslist",
            &["usr_zlib_compression=gzip"],
        ),
        (
            "img_params/boot_archive_contents/base_exclude[type=dir]",
            &["etc/gconf", "etc/brltty", "etc/gtk-2.0", "etc/notices", "var/sadm/pkg"],
        ),
        (
            "img_params/grub_menu_modifications/entry[title_suffix=\"Enable SSH\"]/line",
            &[
                "kernel$ /platform/i86pc/kernel/$ISADIR/unix -B livessh=enable",
                "module$ /platform/i86pc/$ISADIR/boot_archive",
            ],
        ),
        ("img_params/grub_menu_modifications/min_mem64", &["1000"]),
    ] {
        assert_eq!(document.query(path).unwrap(), values, "{path}");
    }
    assert_eq!(document.key("iso_sort").unwrap(), Vec::<String>::new());
    assert_eq!(checked.image().live_compression, Compression::Lzma);
}
