//! pkg_linked.rs - images that hang on one another: linked, audited, brought into step, let go of.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;

use common::{Place, Said};

fn publish(place: &Place, version: &str) {
    for (name, depend) in [
        ("synced", "depend type=parent fmri=feature/package/dependency/self\n"),
        ("below", "depend type=parent fmri=synced@1.0\n"),
    ] {
        let manifest = format!(
            "set name=pkg.fmri value=pkg://links.example/{name}@{version},5.11-0\n{depend}\
             dir path={name}-{version} mode=0755 owner=root group=root\n"
        );
        fs::write(place.path("p5m"), manifest).unwrap();
        let said = place.sh("pkgsend -s links publish p5m", None);
        assert_eq!(said.status, 0, "{said:?}");
    }
}

/// `above` and `child` (in a folder of its own), each with accounts.
fn images(place: &Place) {
    publish_all(place);
    for image in ["above", "zones/child"] {
        let made = place.sh(
            &format!(
                "mkdir -p zones && pkg image-create -F -p links --variant arch=i386 {image} && \
                 mkdir -p {image}/etc && printf 'root:x:0:0::/:\\n' > {image}/etc/passwd && \
                 printf 'root::0:\\n' > {image}/etc/group"
            ),
            None,
        );
        assert_eq!(made.status, 0, "{made:?}");
    }
}

fn publish_all(place: &Place) {
    let made =
        place.sh("pkgrepo create links && pkgrepo -s links add-publisher links.example", None);
    assert_eq!(made.status, 0, "{made:?}");
    publish(place, "1.0");
    publish(place, "2.0");
}

/// A line, its exit status, and what standard output and standard error have in them.
type Step = (&'static str, i32, &'static str, &'static str);

fn play(place: &Place, steps: &[Step]) {
    for (line, status, out, err) in steps {
        let said: Said = place.sh(line, None);
        assert_eq!(said.status, *status, "{line}: {said:?}");
        assert!(said.out.contains(out), "{line}: {said:?}");
        assert!(said.err.contains(err), "{line}: {said:?}");
    }
}

const PUSHED: &[Step] = &[
    ("pkg -R above install -q synced@1.0", 0, "", ""),
    // Without a parent nothing is asked of it.
    ("pkg -R zones/child install -q synced@2.0", 0, "", ""),
    ("pkg -R above list-linked", 0, "", ""),
    (
        "pkg -R zones/child audit-linked",
        53,
        "",
        "Current image is not a linked child: $ROOT/zones/child",
    ),
    (
        "pkg -R above attach-linked -c child zones/child",
        1,
        "",
        "Invalid linked image name 'child'. Linked image names have the following format",
    ),
    (
        "pkg -R above attach-linked -c zone:child zones/child",
        1,
        "",
        "Linked image type does not support child attach: zone",
    ),
    (
        "pkg -R above attach-linked -c system:child nowhere",
        51,
        "",
        "Can't initialize child image at path: $ROOT/nowhere",
    ),
    (
        "pkg -R above attach-linked -c system:child above",
        1,
        "",
        "Can't link image to itself: $ROOT/above",
    ),
    (
        "pkg -R above attach-linked -cp system:child above",
        2,
        "",
        "The '-p' and '-c' options may not be combined.",
    ),
    ("pkg -R above attach-linked system:child above", 2, "", "\nPrivate subcommand usage, options"),
    ("pkg -R above attach-linked -n -c system:child zones/child", 0, "Packages to update: 1", ""),
    ("pkg -R above list-linked", 0, "", ""),
    ("pkg -R above attach-linked -c system:child zones/child", 0, "Packages to update: 1", ""),
    ("pkg -R zones/child list -H synced", 0, " 1.0-0 ", ""),
    (
        "pkg -R above list-linked -H",
        0,
        "-            self  $ROOT/above/\nsystem:child child $ROOT/zones/child/\n",
        "",
    ),
    ("pkg -R zones/child list-linked -H", 0, "system:child self $ROOT/zones/child/\n", ""),
    (
        "pkg -R above property-linked -l system:child",
        0,
        "PROPERTY   VALUE\nli-model   push\nli-name    system:child\nli-path    $ROOT/zones/child/\nli-recurse True\n",
        "",
    ),
    ("pkg -R above audit-linked -a", 0, "NAME         STATUS\nsystem:child synced\n", ""),
    ("pkg -R zones/child audit-linked", 0, "", ""),
    (
        "pkg -R above attach-linked -c system:child zones/child",
        1,
        "",
        "A linked child image with this name already exists: system:child",
    ),
    (
        "pkg -R above attach-linked -c system:other zones/child",
        1,
        "",
        "Image already a linked child: $ROOT/zones/child",
    ),
    // The child cannot run ahead of its parent.
    (
        "pkg -R zones/child update synced@2.0",
        1,
        "",
        "Parent image has an older version of package: pkg://links.example/synced@1.0-0",
    ),
    ("pkg -R above update -i system:no synced", 1, "", "Unknown child linked image: system:no"),
    ("pkg -R above update -q -I synced", 0, "", ""),
    ("pkg -R above audit-linked -l system:child", 52, "system:child diverged", ""),
    ("pkg -R above sync-linked -n -a", 0, "Packages to update: 1", ""),
    ("pkg -R above sync-linked -a", 0, "Packages to update: 1", ""),
    ("pkg -R above sync-linked -a", 4, "No updates necessary", ""),
    ("pkg -R above audit-linked -a", 0, "system:child synced", ""),
    ("pkg -R zones/child install -q below", 0, "", ""),
    // What is done to the parent is done to the child, too, or to neither.
    (
        "pkg -R above uninstall synced",
        1,
        "",
        "pkg: uninstall failed (linked image exception(s)):\n\n\
         A 'sync-linked' operation failed for child 'system:child' with an unexpected\n\
         return value of 1 and generated the following output:\n\npkg uninstall: ",
    ),
    ("pkg -R above list -H synced", 0, " 2.0-0 ", ""),
    (
        "pkg -R above update -n synced@1.0",
        0,
        "\nPlanning: Linked images: 0/1 done; 1 working: system:child\n\
         Planning: Linked image 'system:child' output:\n| Packages to update: 1\n`\n\
         Planning: Finished processing linked images.\n",
        "",
    ),
    (
        "pkg -R above update -n --parsable=0 synced@1.0",
        0,
        "\"child-images\":[],\"create-backup-be\":false,\"create-new-be\":false,\
         \"image-name\":\"system:child\"",
        "",
    ),
    ("pkg -R zones/child list -H synced", 0, " 2.0-0 ", ""),
    (
        "pkg -R above update synced@1.0",
        0,
        "\nFinalize: Linked images: 0/1 done; 1 working: system:child\n\
         Finalize: Finished processing linked images.\n",
        "",
    ),
    ("pkg -R zones/child list -H synced", 0, " 1.0-0 ", ""),
    ("pkg -R zones/child history -H -n 1 -o operation,outcome", 0, "sync-linked", ""),
    ("pkg -R above update -q -i system:child synced", 0, "", ""),
    ("pkg -R above audit-linked -a", 52, "system:child diverged", ""),
    // There is nothing to do to the parent, and yet the child follows.
    ("pkg -R above update -n", 0, "No updates available for this image.\nPlanning: Linked", ""),
    ("pkg -R above update -q", 0, "", ""),
    ("pkg -R above audit-linked -a", 0, "synced", ""),
    ("pkg -R above update", 4, "Planning: Finished processing linked images.\n", ""),
    (
        "pkg -R zones/child detach-linked",
        54,
        "",
        "Parent linked to child, can not detach child: $ROOT/zones/child",
    ),
    ("pkg -R above detach-linked -l system:none", 1, "", "Unknown child linked image: system:none"),
    // Both moved: the parent finds its child where it is now.
    (
        "mkdir moved && mv above zones moved/ && pkg -R moved/above list-linked -H",
        0,
        "system:child child $ROOT/moved/zones/child/\n",
        "",
    ),
    ("pkg -R moved/above audit-linked -a", 0, "synced", ""),
    ("pkg -R moved/above detach-linked -a", 0, "", ""),
    ("pkg -R moved/above list-linked", 0, "", ""),
    ("pkg -R moved/zones/child audit-linked", 53, "", ""),
];

#[test]
fn a_parent_and_what_hangs_on_it() {
    let place = Place::new();
    images(&place);
    play(&place, PUSHED);
    for image in ["above", "zones/child"] {
        let left = fs::read_dir(place.path("moved").join(image).join("var/pkg/linked")).unwrap();
        assert_eq!(left.count(), 0, "{image}");
    }
    let configuration = fs::read_to_string(place.path("moved/above/var/pkg/pkg5.image")).unwrap();
    assert!(!configuration.contains("linked_"), "{configuration}");
}

const PULLED: &[Step] = &[
    ("pkg -R above install -q synced@1.0", 0, "", ""),
    ("pkg -R zones/child attach-linked -p system:child above", 0, "", ""),
    (
        "pkg -R zones/child list-linked -H",
        0,
        "-            parent $ROOT/above/\nsystem:child self   $ROOT/zones/child/\n",
        "",
    ),
    ("pkg -R zones/child install -q synced", 0, "", ""),
    ("pkg -R zones/child list -H synced", 0, " 1.0-0 ", ""),
    ("pkg -R above update -q", 0, "", ""),
    ("pkg -R zones/child audit-linked", 52, "", "Linked image is diverged: system:child"),
    ("pkg -R zones/child sync-linked --no-parent-sync", 4, "", ""),
    ("pkg -R zones/child sync-linked", 0, "Packages to update: 1", ""),
    ("pkg -R zones/child audit-linked", 0, "", ""),
    (
        "mv above away && pkg -R zones/child install below",
        51,
        "",
        "Can't initialize parent image at path: $ROOT/above/",
    ),
    ("mv away above && pkg -R zones/child detach-linked", 0, "", ""),
    ("pkg -R zones/child sync-linked", 53, "", "Current image is not a linked child"),
];

#[test]
fn a_child_that_pulls() {
    let place = Place::new();
    images(&place);
    play(&place, PULLED);
    // A file of the link that is damaged is told of.
    let linked = place.path("zones/child/var/pkg/linked");
    for (text, told) in [
        ("{", "linked_prop: EOF"),
        (
            "{\"li-path\": \"/x/\", \"li-name\": \"../x\", \"li-model\": \"push\"}",
            "Invalid linked image name '../x'",
        ),
        ("{\"li-path\": \"/x/\", \"li-name\": \"system:x\"}", "belong together"),
    ] {
        fs::write(linked.join("linked_prop"), text).unwrap();
        let said = place.sh("pkg -R zones/child list-linked", None);
        assert!(said.status == 1 && said.err.contains(told), "{said:?}");
    }
}

/// A child of a child, which is asked before anything is done to the first.
const IN_A_ROW: &[Step] = &[
    ("pkg -R above install -q synced@2.0 && pkg -R zones/child install -q synced", 0, "", ""),
    ("pkg -R low install -q synced below", 0, "", ""),
    ("pkg -R above attach-linked -q -c system:child zones/child", 0, "", ""),
    ("pkg -R zones/child attach-linked -q -c system:low low", 0, "", ""),
    ("pkg -R low freeze synced@2.0", 0, "", ""),
    ("pkg -R above update synced@1.0", 1, "", "operation failed for child 'system:low'"),
    ("pkg -R above list -H synced", 0, " 2.0-0 ", ""),
    ("pkg -R zones/child list -H synced", 0, " 2.0-0 ", ""),
    ("pkg -R low unfreeze synced && pkg -R above update -q synced@1.0", 0, "", ""),
    ("pkg -R zones/child list -H synced", 0, " 1.0-0 ", ""),
    ("pkg -R low list -H synced", 0, " 1.0-0 ", ""),
    // What cannot be seen beforehand is told afterwards.
    (
        "cd zones/child/var/pkg/linked && rm linked_pfacets && mkdir linked_pfacets && cd - && \
         pkg -R above update -q synced",
        3,
        "",
        "linked_pfacets: ",
    ),
    ("pkg -R above list -H synced", 0, " 2.0-0 ", ""),
    ("pkg -R zones/child list -H synced", 0, " 1.0-0 ", ""),
    ("rmdir zones/child/var/pkg/linked/linked_pfacets && pkg -R above update -q", 0, "", ""),
    ("pkg -R low list -H synced", 0, " 2.0-0 ", ""),
];

#[test]
fn a_child_of_a_child() {
    let place = Place::new();
    images(&place);
    let copied = place.sh("cp -a zones/child low", None);
    assert_eq!(copied.status, 0, "{copied:?}");
    play(&place, IN_A_ROW);
}

/// What is asked of a parent and its children, too (`-r`), and how they may be linked.
const RECURSED: &[Step] = &[
    ("pkg -R above install -q synced@1.0 && pkg -R zones/child install -q synced@1.0", 0, "", ""),
    (
        "pkg -R above attach-linked -q --prop-linked li-recurse=maybe -c system:child zones/child",
        1,
        "",
        "Invalid linked image attach property value: li-recurse=maybe",
    ),
    (
        "pkg -R above attach-linked -q --prop-linked li-recurse=false -c system:child zones/child",
        0,
        "",
        "",
    ),
    ("pkg -R above property-linked -H -l system:child li-recurse", 0, "li-recurse False\n", ""),
    ("pkg -R above update -q synced", 0, "", ""),
    ("pkg -R above audit-linked -a", 52, "diverged", ""),
    ("pkg -R above set-property-linked li-x=1", 2, "", "invalid linked image property: 'li-x'."),
    (
        "pkg -R above set-property-linked -l system:child li-name=system:x",
        1,
        "",
        "Invalid linked image attach property: li-name",
    ),
    ("pkg -R above set-property-linked -l system:child li-recurse=True", 0, "", ""),
    ("pkg -R zones/child property-linked -H li-recurse", 0, "li-recurse True\n", ""),
    ("pkg -R above update -q", 0, "", ""),
    ("pkg -R above audit-linked -a", 0, "synced", ""),
    ("pkg -R above update -q synced@1.0", 0, "", ""),
    (
        "pkg -R above install -z system:child below",
        2,
        "",
        "'-z' may only be used with '-r/--recurse'.",
    ),
    ("pkg -R above install -rz none below", 2, "", "invalid linked image or zone name 'none'."),
    ("pkg -R above install -qr -Z system:child below", 0, "", ""),
    ("pkg -R zones/child list -H below", 1, "", ""),
    ("pkg -R above install -r below", 0, "| Packages to install: 1\n`\n", ""),
    ("pkg -R zones/child list -H below", 0, "", ""),
    ("pkg -R zones/child history -H -n 1 -o operation,outcome", 0, "install", ""),
    ("pkg -R above install -qr below", 4, "", ""),
    ("pkg -R zones/child uninstall -q below", 0, "", ""),
    // The child has none of it, which is no reason not to do it to the parent.
    ("pkg -R above uninstall -qr below", 0, "", ""),
    ("pkg -R above uninstall -qr below", 4, "", ""),
    ("pkg -R above uninstall -q below", 1, "", "below"),
    ("pkg -R above set-property default-recurse True", 0, "", ""),
    (
        "pkg -R above change-facet -q doc.a=False && pkg -R above change-facet -qR doc.b=False",
        0,
        "",
        "",
    ),
    ("pkg -R zones/child facet -H doc.a", 0, "False local", ""),
    ("pkg -R zones/child facet -H doc.b", 0, "True  system", ""),
    (
        "pkg -R above install -g links below",
        1,
        "",
        "temporary origins were specified and this image has children.  Please either",
    ),
    ("pkg -R above install -qI -g links below", 0, "", ""),
    ("pkg -R above pubcheck-linked", 0, "", ""),
    (
        "pkg -R above set-publisher -v --set-property x=y links.example",
        0,
        "Updating publisher on system:child\n",
        "",
    ),
    ("pkg -R zones/child publisher links.example", 0, "x = y", ""),
    ("pkg -R above set-publisher -Rp links", 0, "  Updated publisher(s): links.example\n", ""),
    ("pkg -R zones/child set-publisher --non-sticky links.example", 0, "", ""),
    ("pkg -R above pubcheck-linked", 1, "", "Invalid child image publisher configuration.  Child"),
    (
        "pkg -R above update -q",
        1,
        "",
        "The child image has the following enabled publishers:\n    PUBLISHER 0: links.example (non-sticky)\n",
    ),
];

#[test]
fn children_that_are_meant_too() {
    let place = Place::new();
    images(&place);
    play(&place, RECURSED);
}

/// The lines that begin with something, in order.
fn begin<'a>(text: &'a str, with: &str) -> Vec<&'a str> {
    text.lines().filter(|line| line.starts_with(with)).collect()
}

/// However many children are worked on at once, they end in the same place and tell in their order.
#[test]
fn several_children_at_once() {
    let place = Place::new();
    images(&place);
    play(
        &place,
        &[
            ("cp -a zones/child zones/b && cp -a zones/child zones/c", 0, "", ""),
            ("mv zones/child zones/a && pkg -R above install -q synced@1.0", 0, "", ""),
            (
                "for name in c a b; do pkg -R zones/$name install -q synced@1.0 && \
                 pkg -R above attach-linked -q -c system:$name zones/$name || exit; done",
                0,
                "",
                "",
            ),
        ],
    );
    let told =
        ["a", "b", "c"].map(|name| format!("Planning: Linked image 'system:{name}' output:"));
    let installed = "for name in a b c; do pkg -R zones/$name list -H synced; done";
    for (before, option, one, version) in [
        ("", "-C 1", true, "2.0"),
        ("", "", true, "1.0"),
        ("", "-C 2", false, "2.0"),
        ("PKG_CONCURRENCY=3", "", false, "1.0"),
        ("PKG_CONCURRENCY=3", "-C 1", true, "2.0"),
        ("pkg -R above set-property recursion-concurrency 0;", "", false, "1.0"),
    ] {
        let line = format!("{before} pkg -R above update {option} synced@{version}");
        let said = place.sh(&line, None);
        assert_eq!((said.status, said.err.as_str()), (0, ""), "{line}: {said:?}");
        assert_eq!(begin(&said.out, "Planning: Linked image '"), told, "{line}: {said:?}");
        let working = begin(&said.out, "Finalize: Linked images: ");
        assert_eq!(working.len(), 3, "{line}: {said:?}");
        assert!(working[0].ends_with(" 0/3 done; 1 working: system:a"), "{line}: {said:?}");
        assert!(!one || working[2].ends_with(" 2/3 done; 1 working: system:c"), "{said:?}");
        let said = place.sh(installed, None);
        assert_eq!(said.out.matches(&format!(" {version}-0 ")).count(), 3, "{line}: {said:?}");
    }
    // Of several that cannot follow the first is told of, and of several that fail each, in order.
    let froze =
        place.sh("pkg -R zones/b freeze synced@1.0 && pkg -R zones/c freeze synced@1.0", None);
    assert_eq!(froze.status, 0, "{froze:?}");
    let refused = place.sh("pkg -R above update -q synced@2.0", None);
    assert_eq!(refused.status, 1, "{refused:?}");
    assert!(refused.err.contains("for child 'system:b'"), "{refused:?}");
    assert!(!refused.err.contains("for child 'system:c'"), "{refused:?}");
    let said = place.sh(
        "for name in b c; do pkg -R zones/$name unfreeze synced || exit; done; \
         for name in a c; do cd zones/$name/var/pkg/linked && rm linked_pfacets && \
         mkdir linked_pfacets && cd - || exit; done; pkg -R above update -qC 3 synced@2.0",
        None,
    );
    assert_eq!(said.status, 3, "{said:?}");
    let failed = |name: &str| said.err.find(&format!("for child 'system:{name}'"));
    assert!(failed("a").is_some() && failed("a") < failed("c"), "{said:?}");
    assert_eq!(failed("b"), None);
    let said = place.sh(
        "rmdir zones/[ac]/var/pkg/linked/linked_pfacets && pkg -R above sync-linked -C3 -a",
        None,
    );
    // There was nothing left to do to one of them.
    assert_eq!((said.status, said.err.as_str()), (0, ""), "{said:?}");
    assert_eq!(said.out.matches("Packages to update: 1").count(), 2, "{said:?}");
    let end = said.out.rfind("Packages to update: 1");
    assert!(said.out.find("No updates necessary") < end, "{said:?}");
}

/// Archives that are a source for once.
const HOT_FIX: &[Step] = &[
    ("pkgrecv -s links -a -d fix.p5p synced@2.0 below@2.0 > /dev/null", 0, "", ""),
    ("pkg -R above apply-hot-fix", 2, "", "Source URL or file must be specified"),
    ("pkg -R above apply-hot-fix ftp://x/fix.p5p", 2, "", "Invalid URL"),
    ("pkg -R above apply-hot-fix none.p5p", 1, "", "none.p5p"),
    (
        "pkg -R above apply-hotfix fix.p5p",
        1,
        "",
        "None of the packages in this hot-fix are installed.",
    ),
    ("pkg -R above install -q synced@1.0 && pkg -R zones/child install -q synced@1.0", 0, "", ""),
    ("pkg -R above attach-linked -q -c system:child zones/child", 0, "", ""),
    // What the repository has no more comes out of the archive, for the child, too.
    ("rm -r links/publisher/links.example/file; pkgrepo -s links remove synced@2.0", 0, "", ""),
    ("pkg -R above refresh -q && pkg -R zones/child refresh -q", 0, "", ""),
    ("pkg -R above update -q synced", 4, "", ""),
    (
        "pkg -R above apply-hot-fix -v file://$PWD/fix.p5p",
        0,
        "     pkg://links.example/below not installed, skipping.\n",
        "",
    ),
    ("pkg -R above list -H synced", 0, " 2.0-0 ", ""),
    ("pkg -R zones/child list -H synced", 0, " 2.0-0 ", ""),
    ("pkg -R above publisher links.example", 0, "/links/", ""),
];

#[test]
fn an_archive_for_once() {
    let place = Place::new();
    images(&place);
    play(&place, HOT_FIX);
}
