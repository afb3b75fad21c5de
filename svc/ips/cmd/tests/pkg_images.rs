//! pkg: how images are made, and how their publishers and catalogs change.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;

use common::Place;
use common::image::{check, ours, refused};

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
        "pkg set-publisher: The '-d/--disable' and '-e/--enable' options may not be combined.\n",
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
        "pkg set-publisher: The '-p' and '--reset-uuid' options may not be combined.\nUsage:",
    ),
    (
        "set-publisher --search-before a -P orchard.example",
        2,
        "pkg set-publisher: The '--search-before' and '-P/--search-first' options may not be combined.\nUsage:",
    ),
    (
        "set-publisher --sticky --non-sticky orchard.example",
        2,
        "pkg set-publisher: The '--sticky' and '--non-sticky' options may not be combined.\nUsage:",
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
        "pkg -R img set-publisher -d harbour.example && pkg -R img publisher -nH",
        0,
        &row("orchard.example", "(non-sticky)"),
        "",
    );
    check(
        &place,
        "pkg -R img publisher -H",
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
fn publishers_of_another_image() {
    let place = ours();
    for line in [
        "pkg image-create -F zone",
        "pkg -R zone set-publisher other.example",
        "pkg -R zone set-publisher --non-sticky -g repo harbour.example",
        "pkg -R zone copy-publishers-from img",
    ] {
        check(&place, line, 0, "", "");
    }
    // The first goes first, the next last.
    let shown = "pkg -R zone publisher -HF tsv | cut -f 1,2";
    let order = "orchard.example\ttrue\nother.example\ttrue\nharbour.example\ttrue\n";
    check(&place, shown, 0, order, "");
    let known = place.sh("pkg -R zone list -afH --no-refresh pear boat", None);
    assert_eq!((known.status, known.err.as_str()), (0, ""), "{known:?}");
    let same = place.sh("pkg -R zone list-uuids > a; pkg -R img list-uuids | grep -f - a", None);
    assert_eq!((same.status, same.out.as_str()), (1, ""), "an image has names of its own");
    for (line, status, begin) in [
        ("", 2, "pkg copy-publishers-from: directory to copy from must be specified\nPrivate"),
        (" nowhere", 1, "pkg: "),
    ] {
        refused(&place, &format!("pkg -R zone copy-publishers-from{line}"), status, begin);
    }
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
