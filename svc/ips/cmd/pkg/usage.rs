//! usage.rs - what each subcommand takes, as `pkg help` tells it.

/// What commands that may make boot environments take.
macro_rules! boot_environments {
    () => {
        "            [--no-be-activate] [-t | --temp-be-activate]\n            [--no-backup-be | --require-backup-be] [--backup-be-name name]\n            \
         [--deny-new-be | --require-new-be] [--be-name name]\n"
    };
}

/// What commands that may be meant for children take.
macro_rules! recursion {
    ($not:literal) => {
        concat!("            [", $not, "-r [-z zonename... | -Z zonename...]]\n")
    };
}

macro_rules! actuators {
    () => {
        "            [--sync-actuators | --sync-actuators-timeout timeout]\n"
    };
}

/// A subcommand and its arguments.
pub const SUBCOMMANDS: [(&str, &str); 57] = [
    ("refresh", "[-q] [--full] [publisher ...]"),
    (
        "install",
        concat!(
            "[-nvq] [-C n] [-g path_or_uri ...]\n",
            "            [--no-index] [--no-refresh] [--licenses] [--accept]\n",
            boot_environments!(),
            recursion!(""),
            actuators!(),
            "            [--reject pkg_fmri_pattern ... ] pkg_fmri_pattern ..."
        ),
    ),
    (
        "uninstall",
        concat!(
            "[-nvq] [-C n] [--ignore-missing] [--no-index]\n",
            boot_environments!(),
            recursion!(""),
            actuators!(),
            "            pkg_fmri_pattern ..."
        ),
    ),
    (
        "update",
        concat!(
            "[-fnvq] [-C n] [-g path_or_uri ...] [--ignore-missing]\n",
            "            [--no-index] [--no-refresh] [--licenses] [--accept]\n",
            boot_environments!(),
            recursion!("-R | "),
            actuators!(),
            "            [--reject pkg_fmri_pattern ...] [pkg_fmri_pattern ...]"
        ),
    ),
    (
        "apply-hot-fix",
        concat!(
            "[-nvq]\n",
            boot_environments!(),
            recursion!("-R | "),
            "            <path_or_uri> [pkg_fmri_pattern ...]"
        ),
    ),
    (
        "autoremove",
        concat!(
            "[-nvq] [-C n] [--ignore-missing] [--no-index]\n",
            boot_environments!(),
            recursion!(""),
            "            [--sync-actuators | --sync-actuators-timeout timeout]"
        ),
    ),
    (
        "list",
        concat!(
            "[-HafiMmnqRrsuv] [-g path_or_uri ...] [--no-refresh]\n",
            "            [-F format] [-o column[,column]]\n",
            "            [pkg_fmri_pattern ...]"
        ),
    ),
    ("version", ""),
    ("info", "[-lqr] [-g path_or_uri ...] [--license] [pkg_fmri_pattern ...]"),
    (
        "contents",
        concat!(
            "[-Hmr] [-a attribute=pattern]... [-g path_or_uri]...\n",
            "            [-o attribute[,attribute]...]... [-s sort_key]\n",
            "            [-t action_name[,action_name]...]...\n",
            "            [pkg_fmri_pattern ...]"
        ),
    ),
    ("search", "[-HIaflpr] [-o attribute ...] [-s repo_uri] query"),
    (
        "verify",
        concat!(
            "[-Hqv] [-p path]... [--parsable version]\n",
            "            [--unpackaged] [--unpackaged-only] [pkg_fmri_pattern ...]"
        ),
    ),
    (
        "fix",
        concat!(
            "[-nvq]\n",
            boot_environments!(),
            "            [--accept] [--licenses] [--parsable version] [--unpackaged]\n",
            "            [pkg_fmri_pattern ...]"
        ),
    ),
    (
        "revert",
        concat!(
            "[-nv]\n",
            boot_environments!(),
            "            (--tagged tag-name ... | path-to-file ...)"
        ),
    ),
    ("mediator", "[-aH] [-F format] [<mediator> ...]"),
    (
        "set-mediator",
        concat!(
            "[-nv] [-I <implementation>]\n",
            "            [-V <version>]\n",
            boot_environments!(),
            "            <mediator> ..."
        ),
    ),
    ("unset-mediator", concat!("[-nvIV]\n", boot_environments!(), "            <mediator> ...")),
    ("variant", "[-Haiv] [-F format] [<variant_pattern> ...]"),
    (
        "change-variant",
        concat!(
            "[-nvq] [-C n] [-g path_or_uri ...] [--accept]\n",
            "            [--licenses] [--no-index] [--no-refresh]\n",
            boot_environments!(),
            recursion!("-R | "),
            actuators!(),
            "            [--reject pkg_fmri_pattern ... ]\n",
            "            <variant_spec>=<instance> ..."
        ),
    ),
    ("facet", "[-Haim] [-F format] [<facet_pattern> ...]"),
    (
        "change-facet",
        concat!(
            "[-nvq] [-C n] [-g path_or_uri ...] [--accept]\n",
            "            [--licenses] [--no-index] [--no-refresh]\n",
            boot_environments!(),
            recursion!("-R | "),
            actuators!(),
            "            [--reject pkg_fmri_pattern ... ]\n",
            "            <facet_spec>=[True|False|None] ..."
        ),
    ),
    ("avoid", "[pkg_fmri_pattern] ..."),
    ("unavoid", "[pkg_fmri_pattern] ..."),
    ("freeze", "[-n] [-c reason] [pkg_fmri_pattern] ..."),
    ("unfreeze", "[-n] [pkg_name_pattern] ..."),
    ("property", "[-H] [propname ...]"),
    ("set-property", "propname propvalue"),
    ("add-property-value", "propname propvalue"),
    ("remove-property-value", "propname propvalue"),
    ("unset-property", "propname ..."),
    ("publisher", "[-HPn] [-F format] [publisher ...]"),
    (
        "set-publisher",
        "[-Pedv] [-k ssl_key] [-c ssl_cert]\n            [-O origin_to_set|--origin-uri=origin_to_set ...]\n            \
         [-g origin_to_add|--add-origin=origin_to_add ...]\n            [-G origin_to_remove|--remove-origin=origin_to_remove ...]\n            \
         [-m mirror_to_add|--add-mirror=mirror_to_add ...]\n            [-M mirror_to_remove|--remove-mirror=mirror_to_remove ...]\n            \
         [-p repo_uri] [--enable] [--disable] [--no-refresh]\n            [-R | -r [-z zonename... | -Z zonename...]]\n            \
         [--reset-uuid] [--non-sticky] [--sticky]\n            [--search-after=publisher]\n            [--search-before=publisher]\n            [--search-first]\n            \
         [--approve-ca-cert=path_to_CA]\n            [--revoke-ca-cert=hash_of_CA_to_revoke]\n            [--unset-ca-cert=hash_of_CA_to_unset]\n            \
         [--set-property name_of_property=value]\n            [--add-property-value name_of_property=value_to_add]\n            \
         [--remove-property-value name_of_property=value_to_remove]\n            [--unset-property name_of_property_to_delete]\n            \
         [--proxy proxy to use]\n            [publisher]",
    ),
    ("unset-publisher", "publisher ..."),
    ("history", "[-HNl] [-t [time|time-time],...] [-n number] [-o column,...]"),
    ("purge-history", ""),
    ("rebuild-index", ""),
    ("update-format", ""),
    (
        "image-create",
        concat!(
            "[-FPUfz] [--force] [--full|--partial|--user] [--zone]\n",
            "            [-k ssl_key] [-c ssl_cert] [--no-refresh]\n",
            "            [--variant <variant_spec>=<instance> ...]\n",
            "            [-g uri|--origin=uri ...] [-m uri|--mirror=uri ...]\n",
            "            [--facet <facet_spec>=(True|False) ...]\n",
            "            [(-p|--publisher) [<name>=]<repo_uri>] dir"
        ),
    ),
    (
        "exact-install",
        concat!(
            "[-nvq] [-C n] [-g path_or_uri ...] [--accept]\n",
            "            [--licenses] [--no-index] [--no-refresh]\n",
            boot_environments!(),
            "            [--reject pkg_fmri_pattern ... ] pkg_fmri_pattern ..."
        ),
    ),
    ("dehydrate", "[-nvq] [-p publisher ...]"),
    ("rehydrate", "[-nvq] [-p publisher ...]"),
    ("flag", "[-mM] [pkg_fmri_pattern ...]"),
    ("clean", "[-v]"),
    (
        "attach-linked",
        concat!(
            "[-fnvq] [-C n] [--accept] [--licenses] [--no-index]\n",
            "            [--no-refresh] [--no-pkg-updates] [--linked-md-only]\n",
            "            [--allow-relink]\n",
            "            [--prop-linked <propname>=<propvalue> ...]\n",
            "            (-c|-p) <li-name> <dir>"
        ),
    ),
    ("detach-linked", "[-fnvq] [-a|-l <li-name>] [--no-pkg-updates] [--linked-md-only]"),
    ("audit-linked", "[-H] [-a|-l <li-name>] [--no-parent-sync]"),
    (
        "sync-linked",
        concat!(
            "[-nvq] [-C n] [--accept] [--licenses] [--no-index]\n",
            "            [--no-refresh] [--no-parent-sync] [--no-pkg-updates]\n",
            "            [--linked-md-only] [-a|-l <name>]"
        ),
    ),
    ("list-linked", "-H"),
    ("property-linked", "[-H] [-l <li-name>] [propname ...]"),
    ("pubcheck-linked", ""),
    (
        "set-property-linked",
        concat!(
            "[-nvq] [--accept] [--licenses] [--no-index] [--no-refresh]\n",
            "            [--no-parent-sync] [--no-pkg-updates]\n",
            "            [--linked-md-only] <propname>=<propvalue> ..."
        ),
    ),
    ("copy-publishers-from", "<dir>"),
    ("list-uuids", ""),
    ("authority", "[-HPn] [-F format] [publisher ...]"),
    ("set-authority", "[-Pedv] [publisher]"),
    ("unset-authority", "publisher ..."),
    ("help", "[command]"),
];

/// Kept for compatibility, and not shown in lists.
const HIDDEN: [&str; 14] = [
    "attach-linked",
    "detach-linked",
    "audit-linked",
    "sync-linked",
    "list-linked",
    "property-linked",
    "pubcheck-linked",
    "set-property-linked",
    "copy-publishers-from",
    "list-uuids",
    "authority",
    "set-authority",
    "unset-authority",
    "help",
];

const BASIC: [&str; 8] =
    ["refresh", "install", "uninstall", "update", "apply-hot-fix", "autoremove", "list", "version"];

/// How many of the hidden ones are kept for the images' own sake and may change.
const PRIVATE: usize = 10;

/// The arguments of one subcommand.
pub fn of(subcommand: &str) -> String {
    let known = SUBCOMMANDS.iter().find(|(name, _)| *name == subcommand);
    let head = match HIDDEN[..PRIVATE].contains(&subcommand) {
        true => "Private subcommand usage, options subject to change at any time:",
        false => "Usage:",
    };
    format!("{head}\n{}", line(known.map_or((subcommand, ""), |known| *known)))
}

fn line((name, arguments): (&str, &str)) -> String {
    match arguments {
        "" => format!("        pkg {name}\n"),
        arguments => format!("        pkg {name} {arguments}\n"),
    }
}

/// Every subcommand with its arguments.
pub fn verbose() -> String {
    let basic = |name: &str| BASIC.contains(&name);
    let lines = |wanted: bool| -> String {
        let shown = SUBCOMMANDS.iter().filter(|(name, _)| !HIDDEN.contains(name));
        shown.filter(|(name, _)| basic(name) == wanted).map(|known| line(*known)).collect()
    };
    format!(
        "Usage:\n        pkg [options] command [cmd_options] [operands]\n\nBasic subcommands:\n{}\n\
         Advanced subcommands:\n{}\nOptions:\n        -R dir\n        --no-network-cache\n        \
         --help or -?\n\nEnvironment:\n        PKG_IMAGE\n        PKG_SUCCESS_ON_NOP\n",
        lines(true),
        lines(false),
    )
}

/// The subcommands by what they are for.
pub const SHORT: &str = "\
Usage:    pkg [options] command [cmd_options] [operands]
The following commands are supported:

Package Information  : list           search         info      contents
Package Transitions  : update         install        uninstall
                       history        exact-install  apply-hot-fix
                       autoremove
Package Maintenance  : verify         fix            revert    flag
Publishers           : publisher      set-publisher  unset-publisher
Package Configuration: mediator       set-mediator   unset-mediator
                       facet          change-facet
                       variant        change-variant
Image Constraints    : avoid          unavoid        freeze    unfreeze
Image Configuration  : refresh        rebuild-index  purge-history
                       property       set-property   add-property-value
                       unset-property remove-property-value
Miscellaneous        : image-create   dehydrate      rehydrate     clean
For more info, run: pkg help <command>
";

/// Subcommands that are spelled nearly like this word.
pub fn similar(word: &str) -> Vec<&'static str> {
    let names =
        SUBCOMMANDS.iter().map(|(name, _)| *name).filter(|name| !HIDDEN[..12].contains(name));
    names.filter(|name| distance(name, word) <= (word.len() / 3).clamp(1, 3)).collect()
}

/// How many letters have to be changed, put in or taken out.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.chars().enumerate() {
        let mut left = at + 1;
        let mut corner = at;
        for (place, second) in other.iter().enumerate() {
            let up = row[place + 1];
            let change = corner + usize::from(letter != *second);
            row[place] = left;
            left = change.min(left + 1).min(up + 1);
            corner = up;
        }
        row[other.len()] = left;
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearly() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        for (word, meant) in [("instal", "install"), ("lst", "list"), ("verfy", "verify")] {
            assert!(similar(word).contains(&meant), "{word}");
        }
        assert!(similar("xylophone").is_empty());
    }
}
