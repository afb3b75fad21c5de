//! pkg: what pkg5 printed for an image of its own; and every subcommand's layouts, refusals and
//! exit statuses on images of ours.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::io::Write;

use common::{Place, Said, copy, top};
use ips_model::digest::sha1_hex;

/// The image pkg5 made of `repo`, as `$ROOT/img`.
fn golden() -> Place {
    let place = Place::new();
    let image = place.path("img");
    copy(&top().join("../../client/tests/image/var"), &image.join("var"));
    let root = fs::canonicalize(place.path("")).unwrap();
    let path = image.join("var/pkg/pkg5.image");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("$ROOT", root.to_str().unwrap())).unwrap();
    let name = sha1_hex(format!("file://{}/repo/", root.display()).as_bytes());
    for publisher in ["orchard.example", "harbour.example"] {
        let origins = image.join("var/pkg/publisher").join(publisher).join("origins");
        let old = fs::read_dir(&origins).unwrap().next().unwrap().unwrap().path();
        fs::rename(old, origins.join(&name)).unwrap();
    }
    place
}

fn ours() -> Place {
    let place = Place::new();
    let made = place.sh(
        "pkg image-create -F -p repo --variant arch=i386 --variant debug.illumos=false img",
        None,
    );
    assert_eq!((made.status, made.err.as_str(), made.out.as_str()), (0, "", ""));
    place
}

fn check(place: &Place, line: &str, status: i32, out: &str, err: &str) {
    let said = place.sh(line, None);
    let expected = Said { out: out.to_string(), err: err.to_string(), status };
    assert_eq!(said, expected, "{line}");
}

/// That standard error begins so.
fn refused(place: &Place, line: &str, status: i32, begin: &str) {
    let said = place.sh(line, None);
    assert!(said.err.starts_with(begin), "{line}: {}", said.err);
    assert_eq!((said.status, said.out.as_str()), (status, ""), "{line}");
}

#[test]
fn queries_of_an_image_of_pkg5() {
    let place = golden();
    let cases = top().join("../../client/tests/image/out");
    for case in [
        "list-a",
        "list-v",
        "info",
        "contents",
        "contents-m",
        "variant",
        "facet",
        "mediator",
        "property",
        "publisher",
        "history",
    ] {
        let read = |name: &str| fs::read_to_string(cases.join(case).join(name)).unwrap();
        let line = read("cmd").trim().replace("$IMG", "img");
        let line = line.replacen("pkg ", "TZ=UTC pkg ", 1);
        check(&place, &line, read("exit").trim().parse().unwrap(), &read("stdout"), "");
    }
}

#[test]
fn lists() {
    let place = golden();
    for (line, status, out, err) in [
        (
            "list -H pear",
            0,
            "fruit/pear                                        1.10-1                     im-\n",
            "",
        ),
        ("list -q pear", 0, "", ""),
        ("list -q nosuch", 1, "", ""),
        (
            "list nosuch",
            1,
            "",
            " \npkg list: no packages matching the following patterns are installed:\n  nosuch\n",
        ),
        (
            "list -H pear nosuch",
            3,
            "fruit/pear                                        1.10-1                     im-\n",
            " \npkg list: no packages matching the following patterns are installed:\n  nosuch\n",
        ),
        (
            "list -Hn --no-refresh boat gone",
            0,
            "old/gone                                          2.0-1                      --o\n\
             sea/boat (harbour.example)                        1.0-1                      ---\n",
            "",
        ),
        (
            "list -Hu",
            0,
            "fruit/pear                                        1.10-1                     im-\n",
            "",
        ),
        (
            "list -Hs pear",
            0,
            "fruit/pear                                              Pears: the tool – für Obstgärten, 果樹園\n",
            "",
        ),
        (
            "list -u tiny",
            1,
            "",
            " \npkg list: no updates are available for the following packages:\n  library/tiny\n",
        ),
        (
            "list -Hg repo pear@5",
            0,
            "fruit/pear (harbour.example)                      5.0-1                      ---\n",
            "",
        ),
    ] {
        check(&place, &format!("pkg -R img {line}"), status, out, err);
    }
    let said = place.sh("pkg -R img list -Ha --no-refresh", None);
    let stems: Vec<&str> =
        said.out.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(!stems.contains(&"old/gone") && !stems.contains(&"old/birne"), "{}", said.out);
    assert!(stems.contains(&"net/c++/http+json_x.y-z"), "{}", said.out);
    assert_eq!(stems.iter().filter(|stem| **stem == "fruit/pear").count(), 1);
}

#[test]
fn what_is_in_packages() {
    let place = golden();
    let installed = "pkg: contents: no packages matching the following patterns you specified are\n\
        installed on the system.  Try specifying -r to query remotely:\n\n        nosuch\n";
    for (line, status, out, err) in [
        ("contents -H -t hardlink pear", 0, "usr/bin/pear-hard\n", ""),
        (
            "contents -t link -o path,target tiny",
            0,
            "PATH               TARGET\nusr/lib/libtiny.so ./libtiny.so.1\n",
            "",
        ),
        (
            "contents -t file -o pkg.size,path tiny",
            0,
            "PKG.SIZE PATH\n   14040 usr/lib/libtiny.so.1\n     712 usr/lib/tiny32.o\n",
            "",
        ),
        (
            "contents -H -a path=usr/lib/* -o path tiny",
            0,
            "usr/lib/libtiny.so\nusr/lib/libtiny.so.1\nusr/lib/tiny32.o\n",
            "",
        ),
        ("contents nosuch", 1, "", installed),
        (
            "contents -a path=none pear",
            1,
            "",
            "pkg: contents: no matching actions found in the listed packages\n",
        ),
        ("contents -Hr -t file boat", 0, "usr/bin/boat\n", ""),
    ] {
        let said = place.sh(&format!("pkg -R img {line}"), None);
        if line.contains("pkg.size") || line.contains("boat") {
            assert_eq!((said.status, said.err.as_str()), (status, err), "{line}");
            assert!(!said.out.is_empty(), "{line}");
            continue;
        }
        assert_eq!(said, Said { out: out.into(), err: err.into(), status }, "{line}");
    }
    let licence = place.sh("pkg -R img info --license pear", None);
    let text = fs::read_to_string(place.path("input/proto/lic/pear.txt"));
    assert_eq!(licence.status, 0);
    if let Ok(text) = text {
        assert!(licence.out.starts_with(&text), "{}", licence.out);
    }
    let said = place.sh("pkg -R img info -r boat", None);
    assert!(
        said.out.contains("            State: Not installed\n")
            || said.out.contains("State: Not installed"),
        "{}",
        said.out
    );
    refused(
        &place,
        "pkg -R img info nosuch",
        1,
        "pkg: info: no packages matching the following patterns you specified are\ninstalled on the system.  Try querying remotely instead:\n\n        nosuch",
    );
}

#[test]
fn searches() {
    let place = golden();
    let said = place.sh("pkg -R img search -l -H path:/usr/bin/pear", None);
    assert_eq!(
        (said.status, said.out.as_str()),
        (0, "path\tfile\tusr/bin/pear\tpkg:/fruit/pear@1.10-1\n")
    );
    check(
        &place,
        "pkg -R img search -p boat",
        0,
        "PACKAGE              PUBLISHER\npkg:/sea/boat@1.0-1 harbour.example\n"
            .replace("PACKAGE              ", "PACKAGE             ")
            .as_str(),
        "",
    );
    check(&place, "pkg -R img search nosuchword", 1, "", "");
    check(
        &place,
        "pkg -R img search -H -o action.name,path basename:boat",
        0,
        "file\tusr/share/doc/boat\n",
        "",
    );
    refused(&place, "pkg -R img search '('", 1, "pkg: ");
    refused(
        &place,
        "pkg -R img search",
        2,
        "pkg search: at least one search term must be provided\nUsage:\n        pkg search ",
    );
}

const NO_IMAGES: &[(&str, i32, &str)] = &[
    (
        "image-create -F img",
        1,
        "pkg image-create: there is already an image at: $ROOT/img.\nTo override, use the -f (force) option.\n",
    ),
    (
        "image-create -F repo",
        1,
        "pkg image-create: the specified image path is not empty: $ROOT/repo.\n",
    ),
    ("image-create", 2, "pkg image-create: an image directory path must be specified\nUsage:\n"),
    ("image-create a b", 2, "pkg image-create: only one image directory path may be specified\n"),
    (
        "image-create -g repo a",
        2,
        "pkg image-create: A publisher must be specified if -g or -m are used.\n",
    ),
    (
        "image-create --no-refresh -p repo a",
        2,
        "pkg image-create: --no-refresh cannot be used with -p unless a publisher prefix is provided.\n",
    ),
    (
        "image-create --facet x=maybe a",
        2,
        "pkg image-create: Facet arguments must be of the form '<name>=(True|False)'\n",
    ),
    (
        "image-create --variant x a",
        2,
        "pkg image-create: variant arguments must be of the form '<name>=<value>'.\n",
    ),
    (
        "image-create -p nosuch=repo a",
        1,
        "pkg image-create: The repository at file://$ROOT/repo/ does not contain package data for nosuch; only ",
    ),
    (
        "image-create -p nowhere a",
        1,
        "pkg image-create: The specified URI does not appear to point to a valid pkg repository.\n",
    ),
    ("-R img image-create a", 2, "pkg image-create: -R not allowed for image-create subcommand\n"),
];

#[test]
fn images_are_made() {
    let place = ours();
    for (line, status, begin) in NO_IMAGES {
        refused(&place, &format!("pkg {line}"), *status, begin);
    }
    assert!(!place.path("a").exists(), "nothing is made where the arguments are wrong");
    let text = fs::read_to_string(place.path("img/var/pkg/pkg5.image")).unwrap();
    assert!(text.contains("variant.debug.illumos = false\nvariant.opensolaris.imagetype = full\n"));
    check(
        &place,
        "pkg image-create -U -z --facet doc.*=False --set-property be-policy=always-new user",
        0,
        "",
        "",
    );
    check(&place, "pkg -R user facet -H", 0, &format!("{:64} False local\n", "doc.*"), "");
    check(&place, "pkg -R user property -H be-policy", 0, "be-policy always-new\n", "");
    check(
        &place,
        "cd user && PKG_IMAGE= pkg variant -H -F tsv opensolaris.zone",
        0,
        "variant.opensolaris.zone\tnonglobal\n",
        "",
    );
    check(&place, "pkg image-create -F -f img && pkg -R img publisher -H", 0, "", "");
    refused(&place, "pkg -R nowhere list", 1, "pkg: No image rooted at '$ROOT/nowhere'\n");
    refused(
        &place,
        "cd input && pkg list",
        1,
        "pkg: Could not find image.  Use the -R option or set $PKG_IMAGE to the\nlocation of an image.\n",
    );
}

const NO_PUBLISHERS: &[(&str, i32, &str)] = &[
    ("set-publisher", 2, "pkg set-publisher: requires a publisher name\n"),
    ("set-publisher a b", 2, "pkg set-publisher: only one publisher name may be specified\n"),
    (
        "set-publisher -g repo nosuch",
        1,
        "\npkg: 0/1 catalogs successfully updated:\n\n1/1 repositories for publisher 'nosuch' could not be refreshed.\n\nThe repository at file://$ROOT/repo/ does not contain package data for nosuch; only ",
    ),
    (
        "set-publisher -g repo orchard.example",
        1,
        "\npkg: Origin 'file://$ROOT/repo/' already exists for the specified publisher.\n",
    ),
    (
        "set-publisher -G other orchard.example",
        1,
        "\npkg: Unknown repository origin 'file://$ROOT/other/'\n",
    ),
    (
        "set-publisher --search-after nosuch orchard.example",
        1,
        "\npkg: Unknown publisher 'nosuch'.\n",
    ),
    (
        "set-publisher -e -d orchard.example",
        2,
        "pkg set-publisher: The '-e' and '-d' option may not be combined.\n",
    ),
    (
        "set-publisher -g '*' orchard.example",
        2,
        "pkg set-publisher: Either '--enable' or '--disable' must be specified\nUsage:",
    ),
    (
        "set-publisher --proxy http://p orchard.example",
        2,
        "pkg set-publisher: '--proxy' may only be used with '-g/--add-origin', ",
    ),
    (
        "set-publisher --set-property a=1 --set-property a=2 orchard.example",
        2,
        "pkg set-publisher: a property may only be set once in a command. a was set twice\nUsage:",
    ),
    (
        "set-publisher --set-property a orchard.example",
        2,
        "pkg set-publisher: properties to be set must be of the form '<name>=<value>'. This is what was given: a\nUsage:",
    ),
    (
        "set-publisher --add-property-value a orchard.example",
        2,
        "pkg set-publisher: property values to be added must be of the form '<name>=<value>'. This is what was given: a\nUsage:",
    ),
    (
        "set-publisher --remove-property-value a orchard.example",
        2,
        "pkg set-publisher: property values to be removed must be of the form '<name>=<value>'. This is what was given: a\nUsage:",
    ),
    (
        "set-publisher -k input/p5m -c input/p5m orchard.example",
        1,
        "pkg set-publisher: The specified SSL key '$ROOT/input/p5m' does not exist or cannot be read.\n",
    ),
    (
        "set-publisher -k repo/pkg5.repository orchard.example",
        2,
        "pkg set-publisher: Publisher 'orchard.example' does not have any SSL-based origins or mirrors.\n",
    ),
    (
        "set-publisher --approve-ca-cert repo/pkg5.repository orchard.example",
        1,
        "pkg set-publisher: The file '$ROOT/repo/pkg5.repository' was expected to be a PEM certificate but it could not be read.\n",
    ),
    (
        "set-publisher -M http://m orchard.example",
        1,
        "\npkg: Unknown repository mirror 'http://m/'\n",
    ),
    ("set-publisher -m http://m nosuch", 1, "\npkg: Unknown publisher 'nosuch'.\n"),
    (
        "set-publisher --unset-property none orchard.example",
        1,
        "pkg set-publisher: Unknown property none\n",
    ),
    (
        "set-publisher -p repo --reset-uuid",
        2,
        "pkg set-publisher: The '-p' and '--reset-uuid' option may not be combined.\nUsage:",
    ),
    (
        "set-publisher --search-before a -P orchard.example",
        2,
        "pkg set-publisher: The '--search-before' and '-P' option may not be combined.\nUsage:",
    ),
    (
        "set-publisher --sticky --non-sticky orchard.example",
        2,
        "pkg set-publisher: The '--sticky' and '--non-sticky' option may not be combined.\nUsage:",
    ),
    (
        "set-publisher -g repo bad_name",
        1,
        "\npkg: Publisher name 'bad_name' contains invalid characters.\n",
    ),
    ("unset-publisher", 2, "pkg unset-publisher: at least one publisher must be specified\n"),
    (
        "unset-publisher nosuch",
        1,
        "\npkg unset-publisher: Removal failed for 'nosuch': Unknown publisher 'nosuch'.\n",
    ),
    (
        "refresh nosuch",
        1,
        "pkg: Unknown publisher 'nosuch'.\npkg: 'pkg publisher' will show a list of publishers.\n",
    ),
    ("publisher nosuch", 1, "pkg: Unknown publisher 'nosuch'.\n"),
];

/// `-e` and `-d` beside `-g` mean an origin; alone the publisher.
fn origins_are_disabled(place: &Place) {
    let origin = |status: &str, enabled: &str, name: &str| {
        format!(
            "orchard.example\tfalse\tfalse\t{enabled}\torigin\t{status}\tfile://$ROOT/{name}/\t-\n"
        )
    };
    let on = |name: &str| origin("online", "true", name);
    let off = |name: &str| origin("disabled", "false", name);
    for (line, rows) in [
        ("-d -g scratch", [on("repo"), off("scratch")]),
        ("-e -g scratch", [on("repo"), on("scratch")]),
        ("-d -g '*'", [off("repo"), off("scratch")]),
        ("-e -g repo", [on("repo"), off("scratch")]),
        ("-e -g '*'", [on("repo"), on("scratch")]),
    ] {
        let line = format!("pkg -R img set-publisher {line} orchard.example");
        check(place, &line, 0, "", "");
        let shown = "pkg -R img publisher -HF tsv | grep orchard";
        check(place, shown, 0, &rows.concat(), "");
    }
    check(place, "pkg -R img set-publisher -G scratch orchard.example", 0, "", "");
}

#[test]
fn publishers_come_and_go() {
    let place = ours();
    let head = format!("{:14} {:12} {:8} STATUS P LOCATION\n", "PUBLISHER", "", "TYPE");
    let row = |prefix: &str, attributes: &str| {
        format!("{prefix:14} {attributes:12} origin   online F file://$ROOT/repo/\n")
    };
    let both = format!("{head}{}{}", row("orchard.example", ""), row("harbour.example", ""));
    check(&place, "pkg -R img publisher", 0, &both, "");
    check(&place, "pkg -R img set-publisher -P --non-sticky orchard.example", 0, "", "");
    let turned =
        format!("{}{}", row("orchard.example", "(non-sticky)"), row("harbour.example", ""));
    check(&place, "pkg -R img publisher -H", 0, &turned, "");
    check(
        &place,
        "pkg -R img set-publisher --search-before orchard.example --sticky harbour.example",
        0,
        "",
        "",
    );
    check(
        &place,
        "pkg -R img set-publisher -d harbour.example && pkg -R img publisher -H",
        0,
        &row("orchard.example", "(non-sticky)"),
        "",
    );
    check(
        &place,
        "pkg -R img publisher -nH",
        0,
        &format!(
            "{}{}",
            row("harbour.example", "(disabled)"),
            row("orchard.example", "(non-sticky)")
        ),
        "",
    );
    let known = place.sh("pkg -R img list -afH --no-refresh boat", None);
    assert_eq!(known.status, 1, "packages of a disabled publisher are not known");
    for (line, status, begin) in NO_PUBLISHERS {
        refused(&place, &format!("pkg -R img {line}"), *status, begin);
    }
    origins_are_disabled(&place);
    let said = place.sh("pkg -R img set-publisher -p repo", None);
    assert_eq!(
        (said.status, said.out.as_str()),
        (0, "pkg set-publisher:\n  Updated publisher(s): harbour.example, orchard.example\n")
    );
    check(
        &place,
        "pkg -R img unset-publisher harbour.example && pkg -R img publisher -H",
        0,
        &row("orchard.example", "(non-sticky)"),
        "",
    );
    let said = place.sh("pkg -R img unset-publisher orchard.example nosuch", None);
    assert_eq!(said.status, 3);
    check(&place, "pkg -R img publisher -H", 0, "", "");
}

#[test]
fn catalogs_are_brought_up_to_date() {
    let place = ours();
    // A new package is found by the update log; a rebuilt catalog is fetched whole.
    for (line, version) in [
        ("pkg -R img set-publisher -G '*' -g scratch orchard.example", "2.0-1"),
        ("pkgsend -s scratch publish -d input/proto new.p5m && pkg -R img refresh", "9.0-1"),
        ("pkgrepo -s scratch rebuild && pkg -R img refresh", "9.0-1"),
        ("pkgrepo -s scratch remove 'pear@9.0' && pkg -R img refresh --full", "2.0-1"),
    ] {
        fs::write(
            place.path("new.p5m"),
            "set name=pkg.fmri value=pkg://orchard.example/fruit/pear@9.0-1\n",
        )
        .unwrap();
        let said = place.sh(line, None);
        assert_eq!((said.status, said.err.as_str()), (0, ""), "{line}");
        let said =
            place.sh("pkg -R img list -Hn --no-refresh pkg://orchard.example/fruit/pear", None);
        assert_eq!(said.out.split_whitespace().nth(1), Some(version), "{line}: {}", said.out);
    }
    // A damaged catalog is told of, and what was known stays known.
    let base = place.path("scratch/publisher/orchard.example/catalog/catalog.base.C");
    let attributes = place.path("scratch/publisher/orchard.example/catalog/catalog.attrs");
    let text = fs::read_to_string(&base).unwrap();
    fs::write(&base, text.replacen("fruit/pear", "fruit/bear", 1)).unwrap();
    let before = fs::read(place.path("img/var/pkg/state/known/catalog.base.C")).unwrap();
    refused(
        &place,
        "pkg -R img refresh --full orchard.example",
        1,
        "pkg: 0/1 catalogs successfully updated:\n",
    );
    let said = place.sh("pkg -R img list -Hn --no-refresh pear", None);
    assert_eq!(said.status, 0);
    let after = fs::read(place.path("img/var/pkg/state/known/catalog.base.C")).unwrap();
    assert_eq!(before, after);
    assert!(attributes.exists());
}

const SETTINGS: &[(&str, i32, &str, &str)] = &[
    ("property -H be-policy", 0, "be-policy default\n", ""),
    (
        "set-property be-policy create-backup && pkg -R img property -H be-policy",
        0,
        "be-policy create-backup\n",
        "",
    ),
    (
        "set-property be-policy never",
        1,
        "",
        "pkg set-property: Invalid value 'never' for property 'be-policy' in section 'property'.\n",
    ),
    (
        "set-property send-uuid a b",
        1,
        "",
        "pkg set-property: Property 'send-uuid' in section 'property' doesn't allow multiple values.\n",
    ),
    ("set-property own thing && pkg -R img property -H own", 0, "own      thing\n", ""),
    ("unset-property own", 0, "", ""),
    (
        "unset-property own",
        1,
        "",
        "pkg unset-property: Unknown property 'own' in section 'property'.\n",
    ),
    ("property own", 1, "", "pkg property: no such property: own\n"),
    (
        "add-property-value signature-required-names a && pkg -R img property -H signature-required-names",
        0,
        "signature-required-names ['a']\n",
        "",
    ),
    (
        "remove-property-value signature-required-names b",
        1,
        "",
        "pkg remove-property-value: Value 'b' not found in the list of values for property 'signature-required-names' in section 'property'.\n",
    ),
    (
        "set-property signature-policy require-names x y && pkg -R img property -H signature-policy signature-required-names",
        0,
        "signature-policy         require-names\nsignature-required-names ['x', 'y']\n",
        "",
    ),
    ("avoid fruit/pear && pkg -R img avoid", 0, "    fruit/pear\n", ""),
    (
        "avoid nosuch",
        1,
        "",
        "pkg avoid: The following pattern(s) did not match any packages known to the system:\n\tnosuch\n",
    ),
    ("unavoid pear && pkg -R img avoid", 0, "", ""),
    ("freeze fruit/pear@1.9", 0, "fruit/pear was frozen at 1.9\n", ""),
    (
        "list -Haf --no-refresh pear@1.9",
        0,
        "fruit/pear                                        1.9-1                      -f-\n",
        "",
    ),
    ("unfreeze pear", 0, "fruit/pear was unfrozen.\n", ""),
    ("unfreeze pear", 4, "", ""),
    ("mediator -H nosuch", 1, "", "pkg mediator: no matching mediators found\n"),
    (
        "variant nosuch*",
        1,
        "VARIANT                                                                VALUE\n",
        "pkg variant: no matching variants found\n",
    ),
    ("variant -H -F json arch", 0, "[{\"value\":\"i386\",\"variant\":\"variant.arch\"}]", ""),
    ("purge-history", 0, "History purged.\n", ""),
    ("history -H -o operation,outcome", 0, "purge-history            Succeeded\n", ""),
    ("history -o nosuch", 2, "", "Unknown output column 'nosuch'\n"),
    ("history -n x", 2, "", "Argument to -n must be numeric\n"),
    ("verify", 0, "", ""),
    ("rebuild-index", 0, "", ""),
];

#[test]
fn properties_and_lists() {
    let place = ours();
    for (line, status, out, err) in SETTINGS {
        check(&place, &format!("pkg -R img {line}"), *status, out, err);
    }
    refused(
        &place,
        "pkg -R img property -x",
        2,
        "pkg property: illegal option -- x\nUsage:\n        pkg property [-H] [propname ...]\n",
    );
    refused(
        &place,
        "pkg -R img frobnicate",
        2,
        "pkg: unknown subcommand 'frobnicate'\nFor a full list of subcommands, run: pkg help\n",
    );
    refused(
        &place,
        "pkg -R img instal",
        2,
        "pkg: unknown subcommand 'instal'\nDid you mean:\n    install",
    );
    refused(&place, "pkg", 2, "pkg: no subcommand specified\nUsage:    pkg [options] command");
    refused(&place, "pkg -x", 2, "pkg: illegal global option -- x\n");
    refused(&place, "pkg help list", 0, "Usage:\n        pkg list ");
}

#[test]
fn nothing_is_done_to_a_locked_image() {
    use std::os::fd::AsRawFd;
    let place = ours();
    let lock = fs::File::options().write(true).open(place.path("img/var/pkg/lock")).unwrap();
    // SAFETY: flock is plain data for which all zeros is a value: whole file, from its start.
    let mut whole: nix::libc::flock = unsafe { std::mem::zeroed() };
    whole.l_type = nix::libc::F_WRLCK as nix::libc::c_short;
    assert!(lock.as_raw_fd() >= 0);
    nix::fcntl::fcntl(&lock, nix::fcntl::FcntlArg::F_SETLK(&whole)).unwrap();
    // Closing any descriptor of the file would let go of it.
    (&lock).write_all(b"77\npkg\nelsewhere\n").unwrap();
    let busy = "pkg: The image cannot be modified as it is currently in use by another package client: pkg on elsewhere, pid 77.\n";
    refused(&place, "pkg -R img set-property send-uuid False", 7, busy);
    // Reading goes on.
    check(&place, "pkg -R img property -H send-uuid", 0, "send-uuid True\n", "");
}

#[test]
fn a_damaged_image_is_told_of() {
    let place = ours();
    for name in ["state/known/catalog.base.C", "state/installed/catalog.base.C", "pkg5.image"] {
        let path = place.path("img/var/pkg").join(name);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, "{\"torn").unwrap();
        let said = place.sh("pkg -R img list -Haf --no-refresh; pkg -R img list -H", None);
        assert!(said.err.contains(&format!("$ROOT/img/var/pkg/{name}: ")), "{name}: {}", said.err);
        assert_eq!(said.status, 1, "{name}");
        fs::write(&path, whole).unwrap();
    }
    let text = fs::read_to_string(place.path("img/var/pkg/pkg5.image")).unwrap();
    for (version, begin) in [("2", "too old"), ("7", "newer than this program")] {
        let path = place.path("img/var/pkg/pkg5.image");
        fs::write(&path, text.replacen("version = 4", &format!("version = {version}"), 1)).unwrap();
        let said = place.sh("pkg -R img list", None);
        assert!(said.err.contains(begin) && said.status == 1, "{}", said.err);
    }
}
