"""The names that scripts import for the manifest's node paths, one for each of both generations.

A manifest of 2009 has publishers beside the build's parameters, and the build area and the output image
beside the packages; a later one the other way round.
"""

PARAMS, IMAGE = "distro_constr_params", "img_params"


def names(publishers, output):
    """All names with their values: where publishers stand, and where the output image stands."""
    found = {
        "DISTRO_NAME": "name",
        "DISTRO_PARAMS": PARAMS,
        "IMG_PARAMS": IMAGE,
        "PKG_NAME": "/pkg/name",
        "PKG_ATTRS": "/pkg/attrs",
        "PKG_TAGS": "/pkg/tags",
        "BUILD_AREA": output + "/build_area",
    }
    for describe in (_flags, _image, _menu):
        found.update(describe())
    found.update(_publishers(publishers))
    found.update(_output(output + "/output_image"))
    return found


def _below(prefix, above, rows):
    """Names with a prefix for what is below a path."""
    return dict((prefix + name, above + path) for name, path in rows)


def _flags():
    flags = PARAMS + "/distro_constr_flags"
    return {
        "DISTRO_FLAGS": flags,
        "STOP_ON_ERR": flags + "/stop_on_error",
        "CHECKPOINT_ENABLE": flags + "/checkpoint_enable",
        "CHECKPOINT_RESUME": flags + "/checkpoint_enable/resume_from",
    }


def _publishers(above):
    found = {}
    main = above + "/pkg_repo_default_authority"
    found.update(_below("DEFAULT_", main, [
        ("REPO", ""), ("MAIN", "/main/"), ("MAIN_AUTHNAME", "/main//authname"),
        ("MAIN_URL", "/main//url"), ("MIRROR", "/mirror"), ("MIRROR_URL", "/mirror/url")]))
    more = above + "/pkg_repo_addl_authority"
    found.update(_below("ADD_AUTH", more, [
        ("", ""), ("_MAIN", "/main"), ("_MAIN_AUTHNAME", "/main/authname"),
        ("_MAIN_URL", "/main/url"), ("_MIRROR", "/mirror"), ("_MIRROR_URL", "/mirror/url"),
        ("_URL_TO_AUTHNAME", '/main[url="%s"]/authname'),
        ("_URL_TO_MIRROR_URL", '/main[url="%s"]/../mirror/url')]))
    later = above + "/post_install_repo_default_authority"
    found.update(_below("POST_INSTALL_DEFAULT", later, [
        ("", ""), ("_MAIN", "/main"), ("_URL", "/main/url"), ("_AUTH", "/main/authname"),
        ("_MIRROR_URL", "/mirror/url")]))
    later = above + "/post_install_repo_addl_authority"
    found.update(_below("POST_INSTALL_ADD_", later, [
        ("AUTH", ""), ("AUTH_MAIN", "/main"), ("AUTH_URL", "/main/url"),
        ("AUTH_AUTH", "/main/authname"), ("URL_TO_AUTHNAME", '/main[url="%s"]/authname'),
        ("URL_TO_MIRROR_URL", '/main[url="%s"]/../mirror/url')]))
    return found


def _image():
    found = _below("", IMAGE, [
        ("PKGS_TO_INSTALL", "/packages"), ("PKGS_TO_UNINSTALL", "/post_install_remove_packages"),
        ("GENERATE_IPS_INDEX", "/generate_ips_search_index"), ("ROOT_PASSWD", "/rootpass"),
        ("ROOT_PASSWD_PLAINTEXT", "/rootpass/is_plaintext"),
        ("COMPRESSION_TYPE", "/live_img_compression/type"),
        ("COMPRESSION_LEVEL", "/live_img_compression/level"),
        ("USER", "/user"), ("USER_UID", "/user/UID"), ("LOCALE_LIST", "/locale_list")])
    for what in ("NAME", "ATTRS", "TAGS"):
        for side in ("INSTALL", "UNINSTALL"):
            below = "/pkg/" + what.lower()
            found["PKG_%s_%s" % (what, side)] = found["PKGS_TO_" + side] + below
    contents = IMAGE + "/boot_archive_contents"
    found["BOOT_ARCHIVE_CONTENTS"] = contents
    for list_name in ("base_include", "base_exclude"):
        name = "BOOT_ARCHIVE_CONTENTS_" + list_name.upper()
        found[name] = "%s/%s" % (contents, list_name)
        for kind in ("dir", "file"):
            found[name + "_TO_TYPE_" + kind.upper()] = '%s[type="%s"]' % (found[name], kind)
    included = "BOOT_ARCHIVE_CONTENTS_BASE_INCLUDE"
    found[included + "_NOCOMPRESS"] = found[included] + '[fiocompress="false"]'
    return found


def _output(above):
    found = _below("", above, [
        ("OUTPUT_IMAGE", ""), ("OUTPUT_IMAGE_BOOT_ARCHIVE", "/boot_archive"),
        ("BOOT_ARCHIVE_COMPRESSION_TYPE", "/boot_archive/compression/type"),
        ("BOOT_ARCHIVE_COMPRESSION_LEVEL", "/boot_archive/compression/level"),
        ("BOOT_ARCHIVE_SIZE_PAD", "/boot_archive/size_pad_mb"),
        ("BOOT_ARCHIVE_BYTES_PER_INODE", "/boot_archive/nbpi")])
    found.update(_below("FINALIZER_SCRIPT", above + "/finalizer/script", [
        ("", ""), ("_NAME", "/name"), ("_ARGS", "/argslist"),
        ("_NAME_TO_CHECKPOINT_MESSAGE", '[name="%s"]/checkpoint/message'),
        ("_NAME_TO_CHECKPOINT_NAME", '[name="%s"]/checkpoint/name'),
        ("_NAME_TO_ARGSLIST", '[name="%s"]/argslist')]))
    return found


def _menu():
    found = _below("GRUB_", IMAGE + "/grub_menu_modifications", [
        ("DATA", ""), ("DEFAULT_ENTRY_NUM", "/default_entry"), ("DEFAULT_TIMEOUT", "/timeout"),
        ("TITLE", "/title"), ("ENTRY", "/entry"), ("ENTRY_TITLE_SUFFIX", "/entry/title_suffix"),
        ("ENTRY_POSITION", '/entry[title_suffix="%s"]/position'),
        ("ENTRY_LINES", '/entry[title_suffix="%s"]/line'), ("ENTRY_MIN_MEM64", "/min_mem64")])
    found["LOADER_DEFAULT_TIMEOUT"] = IMAGE + "/loader_menu_modifications/timeout"
    return found


# What is the same in both.
COMMON = {
    "DC_MANIFEST_DATA": "/usr/share/distro_const/DC-manifest",
    "FINALIZER_ROLLBACK_SCRIPT": "/usr/share/distro_const/finalizer_rollback.py",
    "FINALIZER_CHECKPOINT_SCRIPT": "/usr/share/distro_const/finalizer_checkpoint.py",
    "BUILD_DATA": "/build_data",
    "PKG_IMAGE": "/build_data/pkg_image",
    "TMP": "/build_data/tmp",
    "BOOT_ARCHIVE": "/build_data/boot_archive",
    "MEDIA": "/media",
    "LOGS": "/logs",
    "BA_NAME": "boot_archive",
    "BA_BASEPATH": "/platform",
    "BA_FILENAME_SUN4U": "/platform/sun4u/boot_archive",
    "BA_FILENAME_SUN4V": "/platform/sun4v/boot_archive",
    "BA_FILENAME_X86": "/platform/i86pc/boot_archive",
    "BA_FILENAME_AMD64": "/platform/i86pc/amd64/boot_archive",
    "BA_FILENAME_ALL": "/platform/i86pc/boot_archive",
    "DC_LOGGER_NAME": "dc_logger",
    "IMAGE_INFO_FILE": ".image_info",
    "IMAGE_INFO_IMAGE_SIZE_KEYWORD": "IMAGE_SIZE=",
    "IMAGE_INFO_GRUB_TITLE_KEYWORD": "GRUB_TITLE=",
    "IMAGE_INFO_GRUB_MIN_MEM64_KEYWORD": "GRUB_MIN_MEM64=",
    "IMAGE_INFO_GRUB_DO_SAFE_DEFAULT_KEYWORD": "GRUB_DO_SAFE_DEFAULT=",
    "SUCCESS": 0,
    "GENERAL_ERR": 1,
}
