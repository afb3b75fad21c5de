//! schema.rs - what may stand where in a `distribution`, of both generations.
//!
//! One table for both: what moved is optional in either place, and `content.rs` sees that it
//! stands in one of them.

use crate::rule::Times::{Any, Many, One, Optional};
use crate::rule::{Attribute, Rule, UNSIGNED, UNSIGNED_BYTE, Value};

const fn must(name: &'static str, value: Value) -> Attribute {
    Attribute(name, true, value)
}

const fn may(name: &'static str, value: Value) -> Attribute {
    Attribute(name, false, value)
}

pub(super) static DISTRIBUTION: Rule = Rule::group(
    "distribution",
    &[(One, &CONSTRUCTOR), (Optional, &IMAGE), (Optional, &VIRTUAL), (Optional, &PAIRS)],
)
.with(&[must("name", Value::Text)]);

static CONSTRUCTOR: Rule = Rule::mixed(
    "distro_constr_params",
    &[
        (Optional, &BUILD_AREA),
        (One, &FLAGS),
        (Any, &OUTPUT_IMAGE),
        (Optional, &REPOSITORY),
        (Any, &MORE_REPOSITORIES),
        (Optional, &INSTALLED),
        (Any, &MORE_INSTALLED),
    ],
);

static BUILD_AREA: Rule = Rule::text("build_area", Value::Text);

static FLAGS: Rule = Rule::mixed(
    "distro_constr_flags",
    &[(Optional, &STOP_ON_ERROR), (Optional, &CHECKPOINT_ENABLE)],
);
static STOP_ON_ERROR: Rule = Rule::text("stop_on_error", Value::Bool);
static CHECKPOINT_ENABLE: Rule =
    Rule::text("checkpoint_enable", Value::Bool).with(&[may("resume_from", Value::Text)]);

static OUTPUT_IMAGE: Rule = Rule::mixed(
    "output_image",
    &[(One, &FINALIZER), (Optional, &BOOT_ARCHIVE), (Optional, &BOOTROOT)],
);

static FINALIZER: Rule = Rule::group("finalizer", &[(Many, &SCRIPT)]);
static SCRIPT: Rule = Rule::mixed("script", &[(One, &CHECKPOINT), (Optional, &ARGSLIST)])
    .with(&[must("name", Value::Text)]);
static CHECKPOINT: Rule =
    Rule::group("checkpoint", &[]).with(&[must("name", Value::Text), may("message", Value::Text)]);
static ARGSLIST: Rule = Rule::text("argslist", Value::Text);

const ARCHIVE: &[(crate::rule::Times, &Rule)] = &[
    (Optional, &SIZE_PAD),
    (Optional, &NBPI),
    (Optional, &COMPRESSION),
    (Any, &ADJUSTMENT),
    (Optional, &PROFILES),
];
static BOOT_ARCHIVE: Rule = Rule::mixed("boot_archive", ARCHIVE);
static BOOTROOT: Rule = Rule::mixed("bootroot", ARCHIVE);
static SIZE_PAD: Rule = Rule::text("size_pad_mb", UNSIGNED);
static NBPI: Rule = Rule::text("nbpi", UNSIGNED);
static COMPRESSION: Rule = Rule::group("compression", &[])
    .with(&[must("type", Value::OneOf(&["gzip", "dcfs", "none"])), must("level", UNSIGNED_BYTE)]);
static ADJUSTMENT: Rule =
    Rule::group("adjustment", &[]).with(&[may("add", Value::Text), may("delete", Value::Text)]);
static PROFILES: Rule = Rule::group("smf_service_profile", &[(Many, &PROFILE)]);
static PROFILE: Rule = Rule::group("profile", &[])
    .with(&[must("path", Value::Text), may("use_build_sys_file", Value::Bool)]);

/// What follows the repositories is the image itself.
static IMAGE: Rule = Rule::mixed(
    "img_params",
    &[
        (Optional, &BUILD_AREA),
        (Any, &OUTPUT_IMAGE),
        (Optional, &REPOSITORY),
        (Any, &MORE_REPOSITORIES),
        (Optional, &INSTALLED),
        (Any, &MORE_INSTALLED),
        (One, &PACKAGES),
        (Optional, &REMOVED),
        (Optional, &SEARCH_INDEX),
        (Optional, &ROOT_PASSWORD),
        (Optional, &CONTENTS),
        (Optional, &BOOTROOT_CONTENTS),
        (Optional, &LIVE_COMPRESSION),
        (One, &HOST_NAME),
        (Optional, &LOCALES),
        (Optional, &LOCALE_DEFAULTS),
        (Optional, &ROOT_USER),
        (Any, &USER),
        (Optional, &GRUB_MENU),
        (Optional, &LOADER_MENU),
        (Optional, &NET_PROFILE),
        (Optional, &POWER),
        (Optional, &MAX_SIZE),
    ],
);

/// Virtual machines: the element says which they are, no more.
static VIRTUAL: Rule = Rule::group("vmimg_params", &[]);

const AUTHORITY: &[(crate::rule::Times, &Rule)] = &[(One, &MAIN), (Any, &MIRROR)];
static REPOSITORY: Rule = Rule::group("pkg_repo_default_authority", AUTHORITY);
static MORE_REPOSITORIES: Rule = Rule::group("pkg_repo_addl_authority", AUTHORITY);
static INSTALLED: Rule = Rule::group("post_install_repo_default_authority", AUTHORITY);
static MORE_INSTALLED: Rule = Rule::group("post_install_repo_addl_authority", AUTHORITY);
static MAIN: Rule =
    Rule::group("main", &[]).with(&[must("authname", Value::Text), must("url", Value::Text)]);
static MIRROR: Rule = Rule::group("mirror", &[]).with(&[must("url", Value::Text)]);

static PACKAGES: Rule = Rule::group("packages", &[(Many, &PACKAGE)]);
static REMOVED: Rule = Rule::group("post_install_remove_packages", &[(Any, &PACKAGE)]);
static PACKAGE: Rule = Rule::group("pkg", &[]).with(&[
    must("name", Value::Text),
    may("attrs", Value::Text),
    may("tags", Value::Text),
]);

static SEARCH_INDEX: Rule = Rule::text("generate_ips_search_index", Value::Bool);
static ROOT_PASSWORD: Rule =
    Rule::text("rootpass", Value::Text).with(&[may("is_plaintext", Value::Bool)]);

const LISTING: &[(crate::rule::Times, &Rule)] =
    &[(Many, &BASE_INCLUDE), (Any, &BASE_EXCLUDE), (Any, &ADJUSTMENT)];
static CONTENTS: Rule = Rule::mixed("boot_archive_contents", LISTING);
static BOOTROOT_CONTENTS: Rule = Rule::mixed("bootroot_contents", LISTING);
static BASE_INCLUDE: Rule = Rule::text("base_include", Value::Text)
    .with(&[may("type", Value::OneOf(&["file", "dir"])), may("fiocompress", Value::Bool)]);
static BASE_EXCLUDE: Rule =
    Rule::text("base_exclude", Value::Text).with(&[may("type", Value::OneOf(&["file", "dir"]))]);

static LIVE_COMPRESSION: Rule = Rule::group("live_img_compression", &[])
    .with(&[must("type", Value::OneOf(&["gzip", "lzma", "none"])), must("level", UNSIGNED_BYTE)]);
static HOST_NAME: Rule = Rule::text("hostname", Value::Text);
static LOCALES: Rule = Rule::text("locale_list", Value::Text);
static LOCALE_DEFAULTS: Rule = Rule::group("locale_defaults", &[])
    .with(&[must("locale", Value::Text), must("timezone", Value::Text)]);

const ACCOUNT: &[(crate::rule::Times, &Rule)] = &[
    (Optional, &HOME_DIRECTORY),
    (Optional, &SHELL),
    (Optional, &PASSWORD),
    (Optional, &ACCOUNT_CONTENTS),
];
static ROOT_USER: Rule = Rule::mixed("root_user", ACCOUNT).with(&[may("directlogin", Value::Bool)]);
static USER: Rule = Rule::mixed("user", ACCOUNT).with(&[
    must("username", Value::Text),
    must("UID", UNSIGNED),
    must("GID", UNSIGNED),
    may("directlogin", Value::Bool),
]);
static HOME_DIRECTORY: Rule = Rule::text("homedir", Value::Text);
static SHELL: Rule = Rule::text("shell", Value::Text);
static PASSWORD: Rule = Rule::text("password", Value::Text).with(&[must("encrypted", Value::Bool)]);
static ACCOUNT_CONTENTS: Rule = Rule::text("account_contents", Value::Text);

static GRUB_MENU: Rule = Rule::mixed(
    "grub_menu_modifications",
    &[
        (Optional, &MIN_MEM64),
        (Optional, &TITLE),
        (Optional, &DEFAULT_ENTRY),
        (Optional, &TIMEOUT),
        (Any, &ENTRY),
    ],
);
static MIN_MEM64: Rule = Rule::text("min_mem64", UNSIGNED);
static TITLE: Rule = Rule::text("title", Value::Text);
static DEFAULT_ENTRY: Rule = Rule::text("default_entry", UNSIGNED);
static TIMEOUT: Rule = Rule::text("timeout", UNSIGNED);
static ENTRY: Rule =
    Rule::group("entry", &[(One, &TITLE_SUFFIX), (Many, &LINE)]).with(&[may("position", UNSIGNED)]);
static TITLE_SUFFIX: Rule = Rule::text("title_suffix", Value::Text);
static LINE: Rule = Rule::text("line", Value::Text);
static LOADER_MENU: Rule = Rule::group("loader_menu_modifications", &[(Optional, &TIMEOUT)]);

static NET_PROFILE: Rule = Rule::text("netservices_SMF_profile", Value::Text);
static POWER: Rule = Rule::group("power_mgmt", &[(Optional, &POWER_ENABLE)]);
static POWER_ENABLE: Rule = Rule::text("enable", Value::Bool);
static MAX_SIZE: Rule = Rule::text("pkg_image_area_max_size_gb", Value::Float);

static PAIRS: Rule = Rule::group("key_value_pairs", &[(Any, &PAIR)]);
static PAIR: Rule =
    Rule::group("pair", &[]).with(&[must("key", Value::Text), must("value", Value::Text)]);
