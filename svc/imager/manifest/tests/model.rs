//! What the steps read of manifests: both generations of the old form, both states of the newer.

// The helpers of a test may fail as the test does.
#![allow(clippy::unwrap_used)]

use image_manifest::{
    Checked, Compression, Document, Form, Host, Image, Listed, Listing, Native, SCRIPTS,
};

struct Bare;

impl Host for Bare {
    fn can_run(&self, script: &str) -> bool {
        Native::of_script(script).is_some() || script == "/opt/mine"
    }
}

fn checked(text: &str) -> Checked {
    let document = Document::parse(text).unwrap().with_defaults("20091210-1200");
    document.check(&Bare).unwrap_or_else(|problems| panic!("{problems}"))
}

fn image(text: &str) -> Image {
    checked(text).image()
}

/// As a manifest of December 2009 has it.
const OF_2009: &str = r#"<distribution name="OpenSolaris">
  <distro_constr_params>
    <distro_constr_flags>
      <stop_on_error>true</stop_on_error>
      <checkpoint_enable resume_from="ba-init">true</checkpoint_enable>
    </distro_constr_flags>
    <pkg_repo_default_authority>
      <main url="http://pkg.opensolaris.org/release" authname="opensolaris.org"/>
      <mirror url=""/>
    </pkg_repo_default_authority>
    <pkg_repo_addl_authority><main url="http://x/" authname="x"/>
      <mirror url="http://m/"/></pkg_repo_addl_authority>
    <post_install_repo_default_authority>
      <main url="" authname=""/>
    </post_install_repo_default_authority>
  </distro_constr_params>
  <img_params>
    <packages><pkg name="entire"/><pkg name="SUNWcsd"/><pkg name="slim_install"/></packages>
    <post_install_remove_packages><pkg name="slim_install"/></post_install_remove_packages>
    <boot_archive_contents>
      <base_include type="file">usr/sbin/lofiadm</base_include>
      <base_include type="dir">/kernel/</base_include>
      <base_exclude type="dir">etc/gconf</base_exclude>
      <base_include type="file" fiocompress="false">kernel/unix</base_include>
    </boot_archive_contents>
    <live_img_compression type="gzip"/>
    <build_area>rpool/dc</build_area>
    <output_image>
      <finalizer>
        <script name="/usr/share/distro_const/pre_boot_archive_pkg_image_mod">
          <checkpoint name="im-mod" message="Image area modifications"/></script>
        <script name="/usr/share/distro_const/boot_archive_configure">
          <checkpoint name="ba-config"/>
          <argslist>"/usr/share/distro_const/slim_cd/slimcd_generic_live.xml" ".livecd"</argslist>
        </script>
        <script name="/opt/mine"><checkpoint name="mine" message="Mine"/>
          <argslist>one argument, with blanks</argslist></script>
      </finalizer>
    </output_image>
  </img_params>
</distribution>"#;

#[test]
fn the_generation_of_2009() {
    let image = image(OF_2009);
    assert_eq!((image.form, image.name.as_str()), (Form::Distribution2009, "OpenSolaris"));
    assert_eq!(image.build_area, "rpool/dc");
    assert_eq!(image.flags.resume_from.as_deref(), Some("ba-init"));
    assert_eq!(image.packages, ["entire", "SUNWcsd", "slim_install"]);
    assert_eq!(image.removed_packages, ["slim_install"]);
    assert_eq!(image.host_name, "opensolaris");
    assert_eq!(image.root_password.text, "");
    assert_eq!(image.boot_menu.min_mem64, None);
    // Its boot archive has defaults without being there.
    assert_eq!(image.boot_archive.compression, Compression::Gzip(9));
    assert_eq!(image.live_compression, Compression::Gzip(6));
    let steps: Vec<_> = image
        .steps
        .iter()
        .map(|step| (step.name.as_str(), step.message.as_str(), step.native, step.built_in))
        .collect();
    assert_eq!(
        steps,
        [
            ("im-pop", "Populate the image with packages", Some(Native::ImPop), true),
            ("im-mod", "Image area modifications", Some(Native::ImMod), false),
            (
                "ba-config",
                "Executing /usr/share/distro_const/boot_archive_configure",
                Some(Native::BaConfig),
                false,
            ),
            ("mine", "Mine", None, false),
        ]
    );
    let live = format!("{SCRIPTS}/slim_cd/slimcd_generic_live.xml");
    assert_eq!(image.steps[2].arguments, [live.as_str(), ".livecd"]);
    assert_eq!(image.steps[3].arguments, ["one argument, with blanks"]);
    let publishers = &image.publishers;
    assert_eq!(publishers.preferred.origins, ["http://pkg.opensolaris.org/release"]);
    assert!(publishers.preferred.mirrors.is_empty());
    assert_eq!(publishers.additional[0].mirrors, ["http://m/"]);
    assert_eq!(publishers.installed.name, "opensolaris.org");
    let contents: Vec<_> = image
        .boot_archive
        .contents
        .iter()
        .map(|line| (line.listing, line.listed, line.path.as_str()))
        .collect();
    assert_eq!(
        contents,
        [
            (Listing::Include, Listed::File, "usr/sbin/lofiadm"),
            (Listing::Include, Listed::Directory, "kernel"),
            (Listing::Exclude, Listed::Directory, "etc/gconf"),
            (Listing::Include, Listed::File, "kernel/unix"),
        ]
    );
    assert_eq!(image.boot_archive.uncompressed, ["kernel/unix"]);
}

#[test]
fn steps_are_named_or_numbered() {
    let mut image = image(OF_2009);
    assert_eq!(image.step("im-pop"), Some(0));
    assert_eq!(image.step("2"), Some(2));
    assert_eq!(image.step("4"), None);
    assert_eq!(image.step("+1"), None);
    assert_eq!(image.step("ba-arch"), None);
    // A name that is a number wins over the number.
    image.steps[0].name = "3".to_owned();
    assert_eq!(image.step("3"), Some(0));
}

/// As little as a manifest can say.
const LITTLE: &str = r#"<distribution>
  <distro_constr_params>
    <build_area>"/var/tmp/dc"</build_area>
    <output_image><finalizer>
      <script name="/usr/share/distro_const/im_pop.py"><checkpoint name="im-pop"/></script>
    </finalizer><boot_archive><compression/></boot_archive></output_image>
  </distro_constr_params>
  <img_params>
    <packages><pkg name="entire"/></packages>
    <rootpass>""</rootpass>
    <user username="jack"/><user username="jill" UID="1000"/>
    <boot_archive_contents><base_include>etc</base_include></boot_archive_contents>
  </img_params>
</distribution>"#;

#[test]
fn what_is_left_out_is_filled_in_before_the_schema_is_asked() {
    let document = Document::parse(LITTLE).unwrap();
    assert_eq!(document.query("name").unwrap(), Vec::<String>::new());
    let checked = checked(LITTLE);
    for (path, value) in [
        ("name", "20091210-1200"),
        ("distro_constr_params/distro_constr_flags/stop_on_error", "true"),
        ("distro_constr_params/distro_constr_flags/checkpoint_enable", "true"),
        ("distro_constr_params/output_image/boot_archive/compression/type", "gzip"),
        ("distro_constr_params/output_image/boot_archive/compression/level", "9"),
        ("distro_constr_params/output_image/boot_archive/size_pad_mb", "0"),
        ("distro_constr_params/output_image/boot_archive/nbpi", "0"),
        ("img_params/pkg_repo_default_authority/main/url", "http://pkg.opensolaris.org/release"),
        ("img_params/post_install_repo_default_authority/main/authname", "opensolaris.org"),
        ("img_params/generate_ips_search_index", "false"),
        ("img_params/rootpass", "solaris"),
        ("img_params/rootpass/is_plaintext", "true"),
        ("img_params/live_img_compression/type", "none"),
        ("img_params/live_img_compression/level", "0"),
        ("img_params/locale_list", "Posix/C"),
        ("img_params/locale_defaults/locale", "Posix/C"),
        ("img_params/locale_defaults/timezone", "GMT"),
        ("img_params/root_user/homedir", "/root"),
        ("img_params/root_user/shell", "/bin/ksh93"),
        ("img_params/root_user/directlogin", "true"),
        ("img_params/user[username=jack]/UID", "1001"),
        ("img_params/user[username=jill]/UID", "1000"),
        ("img_params/user[username=jack]/GID", "10"),
        ("img_params/user[username=jack]/homedir", "/export/home/jack"),
        ("img_params/user[username=jack]/password/encrypted", "false"),
        ("img_params/netservices_SMF_profile", "/var/svc/profile/generic_limited_net.xml"),
        ("img_params/power_mgmt/enable", "false"),
        ("img_params/pkg_image_area_max_size_gb", "0"),
        ("img_params/hostname", "solaris"),
        ("img_params/grub_menu_modifications/min_mem64", "1000"),
    ] {
        assert_eq!(checked.document().query(path).unwrap(), [value], "{path}");
    }
    let image = checked.image();
    assert_eq!((image.name.as_str(), image.build_area.as_str()), ("20091210-1200", "/var/tmp/dc"));
    assert_eq!(image.live_compression, Compression::None);
    assert_eq!((image.root_password.text.as_str(), image.root_password.plain), ("solaris", true));
    assert!(!format!("{image:?}").contains("text: \"solaris\""), "a password is not printed");
    assert!(image.steps.iter().all(|step| !step.built_in));
}

#[test]
fn a_completed_manifest_is_written_and_read_again() {
    for text in [OF_2009, LITTLE, DC] {
        let checked = checked(text);
        let again = Document::parse(&checked.document().to_xml()).unwrap();
        let again = again.with_defaults("another").check(&Bare).unwrap();
        assert_eq!(again.document().filled(), &[] as &[String]);
        assert_eq!(again.image(), checked.image());
        assert_eq!(again.document().to_xml(), checked.document().to_xml());
    }
}

#[test]
fn the_boot_archive_was_once_called_otherwise() {
    let text = OF_2009
        .replace("boot_archive_contents", "bootroot_contents")
        .replace("</output_image>", "<bootroot><nbpi>4096</nbpi></bootroot></output_image>");
    let (image, now) = (image(&text), image(OF_2009));
    assert_eq!(image.boot_archive.contents, now.boot_archive.contents);
    assert_eq!((image.boot_archive.nbpi, now.boot_archive.nbpi), (4096, 0));
}

#[test]
fn virtual_machines_have_no_image() {
    let text = r#"<distribution name="VM"><distro_constr_params><build_area>rpool/vmc</build_area>
      <output_image><finalizer><script name="/opt/mine"><checkpoint name="prepare-image"/></script>
      </finalizer></output_image></distro_constr_params><vmimg_params/>
      <key_value_pairs><pair key="ram" value="1024"/></key_value_pairs></distribution>"#;
    let image = image(text);
    assert_eq!(image.pairs["ram"], "1024");
    assert_eq!(image.steps.len(), 1);
    assert!(image.packages.is_empty());
}

/// The newer form as it came out first, without what says nothing here.
const DC: &str = r#"<!DOCTYPE dc SYSTEM "/usr/share/install/dc.dtd">
<dc><distro name="Live" add_timestamp="true" http_proxy="http://proxy:8080">
  <distro_spec><img_params><media_im>
    <grub_mods min_mem="512" title="Mine" default_entry="1" timeout="5">
      <grub_entry position="2"><title_suffix>with magnifier</title_suffix>
        <line>kernel$ /unix</line><line>module$ /boot_archive</line></grub_entry>
    </grub_mods></media_im></img_params></distro_spec>
  <target><target_device><zpool action="use_existing" name="rpool"><dataset>
    <filesystem name="rpool/dc/livecd" action="preserve"/></dataset></zpool></target_device></target>
  <software name="transfer-ips-install"><destination>
      <image img_root="/%{//build_data.mountpoint}/pkg_image" action="create">
        <img_type completeness="full"/>
        <facet set="false">facet.locale.*</facet>
        <property val="true">flush-content-cache-on-success</property></image></destination>
    <source><publisher name="solaris"><origin name="http://a/"/><origin name="http://b/"/>
      <mirror name="http://m/"/></publisher><publisher name="more"><origin name="http://c/"/>
      </publisher></source>
    <software_data action="install" type="IPS"><name>pkg:/entire</name><name>pkg:/x</name>
    </software_data>
    <software_data action="uninstall" type="IPS"><name>pkg:/x</name></software_data></software>
  <software name="set-ips-attributes"><destination><image action="use_existing"/></destination>
    <source><publisher name="solaris"><origin name="http://later/"/></publisher></source></software>
  <software name="ba-init"><destination><dir path="/%{//build_data.mountpoint}/boot_archive"/>
    </destination><source><dir path="/%{//build_data.mountpoint}/pkg_image"/></source>
    <software_data><name>usr/bin/bash</name></software_data>
    <software_data action="install" type="DIR"><name>kernel</name></software_data>
    <software_data action="uninstall" type="DIR"><name>etc/gconf</name></software_data></software>
  <execution>
    <checkpoint name="transfer-ips-install" desc="Transfer pkg contents from IPS"
      mod_path="solaris_install/transfer/ips" checkpoint_class="TransferIPS"/>
    <checkpoint name="set-ips-attributes" mod_path="m" checkpoint_class="TransferIPS"/>
    <checkpoint name="pre-pkg-img-mod" mod_path="m" checkpoint_class="LiveCDPrePkgImgMod">
      <kwargs><arg name="root_password">secret</arg><arg name="is_plaintext">false</arg></kwargs>
    </checkpoint>
    <checkpoint name="ba-init" mod_path="m" checkpoint_class="TransferCPIO"/>
    <checkpoint name="ba-config" mod_path="m" checkpoint_class="AIBootArchiveConfigure"/>
    <checkpoint name="ba-arch" mod_path="m" checkpoint_class="BootArchiveArchive">
      <kwargs><arg name="compression_type">gzip</arg><arg name="compression_level">7</arg>
        <arg name="size_pad">3</arg><arg name="bytes_per_inode">2048</arg>
        <arglist name="uncompressed_files"><argitem>a</argitem><argitem>b</argitem></arglist>
      </kwargs></checkpoint>
    <checkpoint name="grub-setup" mod_path="m" checkpoint_class="TextGrubSetup"/>
    <checkpoint name="custom" mod_path="m" checkpoint_class="CustomScript">
      <args>/opt/mine "one word" {BUILD_DATA}</args></checkpoint>
    <checkpoint name="pkg-img-mod" mod_path="m" checkpoint_class="LiveCDPkgImgMod">
      <kwargs><arg name="dist_iso_sort"> /sort </arg><arg name="compression_type">lzma</arg></kwargs>
    </checkpoint>
    <checkpoint name="create-iso" mod_path="m" checkpoint_class="CreateISO"/>
  </execution>
  <configuration name="pre-pkg-img-mod" type="sysconf"
    source="/etc/svc/profile/generic_limited_net.xml"><validation path="/usr/sbin/svccfg"
    args="apply -n"/></configuration>
  <configuration name="pre-pkg-img-mod" type="sysconf"
    source="/usr/share/distro_const/profile/livecd.xml"/>
</distro></dc>"#;

#[test]
fn the_newer_form_is_the_same_model() {
    let image = image(DC);
    assert_eq!((image.form, image.name.as_str(), image.add_timestamp), (Form::Dc, "Live", true));
    assert_eq!(image.http_proxy.as_deref(), Some("http://proxy:8080"));
    assert_eq!((image.build_area.as_str(), image.preserve_area), ("rpool/dc/livecd", true));
    assert!(image.flags.stop_on_error && image.flags.checkpoints);
    assert_eq!(image.packages, ["pkg:/entire", "pkg:/x"]);
    assert_eq!(image.removed_packages, ["pkg:/x"]);
    assert_eq!(image.publishers.preferred.origins, ["http://a/", "http://b/"]);
    assert_eq!(image.publishers.additional[0].name, "more");
    assert_eq!(image.publishers.installed.origins, ["http://later/"]);
    assert!(image.publishers.installed_additional.is_empty());
    assert_eq!(image.facets, [("facet.locale.*".to_owned(), false)]);
    assert_eq!(image.properties[0].0, "flush-content-cache-on-success");
    assert_eq!((image.root_password.text.as_str(), image.root_password.plain), ("secret", false));
    let archive = &image.boot_archive;
    assert_eq!((archive.size_pad_mb, archive.nbpi), (3, 2048));
    assert_eq!(archive.compression, Compression::Gzip(7));
    assert_eq!(archive.uncompressed, ["a", "b"]);
    let profiles: Vec<_> = archive.profiles.iter().map(|profile| profile.on_build_host).collect();
    assert_eq!(profiles, [false, true]);
    let listed: Vec<_> = archive.contents.iter().map(|l| (l.listing, l.listed)).collect();
    assert_eq!(
        listed,
        [
            (Listing::Include, Listed::Directory),
            (Listing::Include, Listed::Directory),
            (Listing::Exclude, Listed::Directory),
        ]
    );
    assert_eq!(image.live_compression, Compression::Lzma);
    assert_eq!(image.pairs["iso_sort"], "/sort");
    let menu = &image.boot_menu;
    assert_eq!((menu.title.as_deref(), menu.default_entry), (Some("Mine"), 1));
    assert_eq!((menu.timeout, menu.min_mem64), (Some(5), Some(512)));
    assert_eq!((menu.entries[0].position, menu.entries[0].lines.len()), (Some(2), 2));
    let steps: Vec<_> =
        image.steps.iter().map(|step| (step.native, step.arguments.join("|"))).collect();
    let of = |native, arguments: &str| (native, arguments.to_owned());
    assert_eq!(
        steps,
        [
            of(Some(Native::ImPop), ""),
            of(Some(Native::SetIpsAttributes), ""),
            of(Some(Native::ImMod), ""),
            of(Some(Native::BaInit), ""),
            of(Some(Native::BaConfig), ".autoinstall"),
            of(Some(Native::BaArch), "amd64"),
            of(Some(Native::GrubSetup), "text-install"),
            of(None, "one word|{BUILD_DATA}"),
            of(Some(Native::PostMod), "usr_zlib_compression=lzma"),
            of(Some(Native::Iso), ""),
        ]
    );
    assert_eq!(image.steps[7].script, "/opt/mine");
    assert_eq!(image.steps[0].message, "Transfer pkg contents from IPS");
    assert_eq!(image.steps[1].message, "set-ips-attributes");
}

#[test]
fn the_newer_form_as_it_came_to_be() {
    let from = DC.find("<grub_mods").unwrap();
    let to = DC.find("</grub_mods>").unwrap() + "</grub_mods>".len();
    let boot = r#"<boot_mods title="New" timeout="9"><boot_entry><title_suffix>a</title_suffix>
        <kernel_args>-v</kernel_args></boot_entry><boot_entry insert_at="start"
        default_entry="true"><title_suffix>b</title_suffix></boot_entry></boot_mods>"#;
    let text = format!("{}{boot}{}", &DC[..from], &DC[to..]);
    let from = text.find("<target_device>").unwrap();
    let to = text.find("</target_device>").unwrap() + "</target_device>".len();
    let logical = r#"<logical><zpool name="tank"><filesystem name="dc/live"/></zpool></logical>"#;
    let text = format!("{}{logical}{}", &text[..from], &text[to..]);
    let image = image(&text.replace("<target>", "<target name=\"desired\">"));
    assert_eq!((image.build_area.as_str(), image.preserve_area), ("tank/dc/live", false));
    let menu = &image.boot_menu;
    assert_eq!((menu.title.as_deref(), menu.timeout), (Some("New"), Some(9)));
    assert_eq!(menu.entries[0].kernel_arguments.as_deref(), Some("-v"));
    assert_eq!((menu.entries[1].position, menu.entries[1].is_default), (Some(0), true));
}
