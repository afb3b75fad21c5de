//! pkg: what pkg5 printed for an image of its own; and layouts, refusals and exit statuses of what
//! looks at images of ours.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::io::Write;

use common::image::{check, ours, refused};
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

/// What cannot be frozen, and why.
#[test]
fn freezing() {
    let place = golden();
    for (line, told) in [
        (
            "freeze pear@1.10 pear@1",
            "\npkg freeze: The following packages were frozen at two different versions by\n\
             the patterns provided.  The package stem and the versions it was frozen at are\n\
             provided:\n\tfruit/pear\t1 1.10\n",
        ),
        (
            "freeze 'none*' nosuch pear@2 'runtime/*@7'",
            "\npkg freeze: The following patterns contained wildcards but matched no\n\
             installed packages.\n\tnone*\n\
             The following patterns attempted to freeze the listed packages\n\
             at a version different from the version at which the packages are installed.\n\
             \tpear@2\n\truntime/*@7\n\t\truntime/lang-110\n\t\truntime/lang-19\n\
             \t\truntime/lang-fast\n\
             The following patterns don't match installed packages and\n\
             contain no version information.  Uninstalled packages can only be frozen by\n\
             providing a version at which to freeze them.\n\tnosuch\n",
        ),
    ] {
        check(&place, &format!("pkg -R img {line}"), 1, "", told);
    }
    let line = "pkg -R img freeze '*pear@1'";
    check(&place, line, 0, "fruit/pear was frozen at 1\n", "");
}

/// `pkg list` in other forms and of other fields.
#[test]
fn fields_of_lists() {
    let place = golden();
    for (line, status, out) in [
        ("list -Ho name pear", 0, "fruit/pear\n"),
        (
            "list -o NAME,version,name,osrelease,branch pear",
            0,
            "NAME       VERSIONOS RELEASEBRANCH\nfruit/pear 1.10-1 5.11 1 \n",
        ),
        ("list -F tsv -o name,flags pear", 0, "NAME\tIFO\nfruit/pear\tim-\n"),
        (
            "list -F json -o release,publisher pear",
            0,
            "[{\"publisher\":\"orchard.example\",\"release\":\"1.10\"}]",
        ),
        ("list -HF tsv -s pear", 0, "fruit/pear\tPears: the tool – für Obstgärten, 果樹園\n"),
        ("list -qF json pear", 0, ""),
        ("list -Hmo name pear", 0, "fruit/pear\n"),
        ("list -HMo name pear", 1, ""),
        ("list -Hio name --no-refresh pear boat", 0, "sea/boat\n"),
        ("list -Hro name core-files", 1, ""),
        ("list -o name,kind pear", 2, ""),
        ("list -vo name pear", 2, ""),
        ("list -F xml", 2, ""),
        ("list -mM", 2, ""),
    ] {
        let said = place.sh(&format!("pkg -R img {line}"), None);
        assert_eq!((said.status, said.out.as_str()), (status, out), "{line}: {said:?}");
    }
    let said = place.sh("pkg -R img list -o name,kind pear", None);
    let told =
        "pkg list: Unknown output field(s): kind\nKnown fields are: branch, flags, fmri, name,";
    assert!(said.err.starts_with(told), "{said:?}");
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

/// What is told, and the exit statuses, where nobody reads what programs print.
fn unread(place: &Place, lines: &[&str]) -> (String, String) {
    let each: Vec<String> =
        lines.iter().map(|line| format!("({line}) 2>> told; echo $? >> status; ")).collect();
    // They begin when the reader is gone.
    let each = each.concat();
    let line = format!("mkfifo go; {{ read x < go; {each} }} | {{ exec <&-; echo x > go; }}");
    place.sh(&line, None);
    let text = |name: &str| fs::read_to_string(place.path(name)).unwrap();
    (text("told"), text("status"))
}

#[test]
fn nobody_has_to_read_it_all() {
    let place = ours();
    fs::write(place.path("old"), "dir path=a\n").unwrap();
    fs::write(place.path("new"), "dir path=b\n").unwrap();
    let lines = [
        "pkg version",
        "pkg -R img install pear",
        "pkgdiff old new",
        "pkgfmt < old",
        "pkgfmt -d < old",
        "pkglint --help",
        "pkgmerge --help",
        "pkgmogrify old",
        "pkgrecv --help",
        "pkgrepo version",
        "pkgsend --help",
        "pkgsign --help",
    ];
    assert_eq!(unread(&place, &lines), (String::new(), "1\n".repeat(lines.len())));
    let again = place.sh("pkg -R img install -q pear && pkg -R img verify -q", None);
    assert_eq!((again.status, again.err.as_str()), (0, ""), "{again:?}");
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
