//! imaging.rs - images by the service, paused and resumed; and packages by a network that breaks.
//!
//! Needs `cargo build --workspace --bins`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tests::depot::{Depot, programs};
use tests::severed::{Fate, Severed};
use tests::{Said, World, await_true, contents, edit, top};

const LOG: &str = "application-imager:default";

fn set(world: &World, properties: &[&str]) {
    for property in properties {
        world.run("svccfg", &["-s", "imager:default", "setprop", property]).ok();
    }
    world.run("svcadm", &["refresh", "imager"]).ok();
}

/// What the last run of the service said.
fn last_run(world: &World) -> String {
    let log = world.log(LOG);
    log.rsplit("Executing start method").next().unwrap_or_default().to_string()
}

/// The steps of a run, as they began.
fn steps(run: &str) -> Vec<&str> {
    run.lines().filter_map(|line| line.split("==== ").nth(1)?.split(':').next()).collect()
}

/// The tiny gates' image with a step of the user's own, which waits while a file says so.
fn with_a_step_that_waits(world: &World) -> (PathBuf, PathBuf) {
    let given = world.run("svcprop", &["-p", "image/manifest", "imager:default"]).ok();
    let place = world.root.parent().unwrap();
    let (manifest, script) = (place.join("waits.xml"), place.join("waits"));
    fs::copy(given.trim(), &manifest).unwrap();
    let step = format!(
        "<script name=\"{}\"><checkpoint name=\"waits\" message=\"Wait\"/></script>\n",
        script.display()
    );
    let iso = "<script name=\"/usr/share/distro_const/create_iso\">";
    edit(&manifest, iso, &format!("{step}{iso}"));
    executable(&script, "#!/bin/sh\necho waiting >&2\nsleep 86400 & wait\n");
    (manifest, script)
}

fn executable(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn the_service_pauses_is_stopped_and_goes_on() {
    let world = World::up();
    let (manifest, script) = with_a_step_that_waits(&world);
    let manifest_is = format!("image/manifest = astring: {}", manifest.display());
    set(&world, &[&manifest_is, "image/boot_test = boolean: false"]);

    // A step that is none of the manifest's: what there is to choose from is said.
    set(&world, &["image/pause_at = astring: nowhere"]);
    assert_eq!(world.run("lamplighter", &["build"]).status, 1);
    assert_eq!(world.state("imager"), "maintenance", "{}", world.story());
    let why = world.run("lamplighter", &["why", "imager"]).out;
    let names = "An invalid step (nowhere) was specified.; Valid step names are: ; im-pop; ba-init";
    assert!(why.contains(names) && why.contains("$SMF_EXIT_ERR_CONFIG"), "{why}");

    // Paused, it is in maintenance; what is to be done stands in its log and in `why`.
    set(&world, &["image/pause_at = astring: ba-arch"]);
    world.run("svcadm", &["clear", "imager"]).ok();
    world.await_state("imager", "maintenance");
    await_true(&|| last_run(&world).contains("paused before"), &|| world.story());
    assert_eq!(steps(&last_run(&world)), ["im-pop", "ba-init", "ba-config"]);
    assert!(!world.stage("imager/default/current").exists(), "a pause is no output");
    let area = world.stage("imager/default/area");
    let paused = format!("paused before step ba-arch in {}/build_data; to go on: ", area.display());
    let why = world.run("lamplighter", &["why", "imager"]).out;
    let last = why.lines().find_map(|line| line.trim().strip_prefix("Last: ")).unwrap_or("");
    let Some((_, to_do)) = last.split_once(&paused) else { panic!("{why}") };
    assert!(area.join("build_data/boot_archive/.livecd").exists(), "it can be looked at");

    // Going on as is said there; in the middle of a step, nobody wants it any more.
    let runs = world.log(LOG).matches("Executing start method").count();
    world.type_line(to_do).ok();
    let waits = || last_run(&world).lines().any(|line| line.ends_with("waiting"));
    await_true(&waits, &|| world.story());
    assert_eq!(world.log(LOG).matches("Executing start method").count(), runs + 1);
    let run = last_run(&world);
    assert!(run.contains("Unchanged since the last build: im-pop ba-init ba-config\n"), "{run}");
    assert_eq!(steps(&run), ["ba-arch", "grub-setup", "waits"], "{run}");
    world.run("svcadm", &["disable", "-s", "imager"]).ok();
    assert_eq!(world.state("imager"), "disabled");
    assert_eq!(world.building().len(), 0, "{:?}", world.alive());
    assert!(!world.stage("imager/default/current").exists());

    // Wanted again, it hangs no longer than it may.
    set(&world, &["image/script_timeout = count: 1"]);
    world.run("svcadm", &["enable", "imager"]).ok();
    world.await_state("imager", "maintenance");
    let why = world.run("lamplighter", &["why", "imager"]).out;
    let told = format!("step waits: {}: took too long and was ended", script.display());
    assert!(why.contains(&told), "{why}");
    assert_eq!(world.building().len(), 0, "{:?}", world.alive());

    // Mended, it goes on where it was.
    executable(&script, "#!/bin/sh\necho waited >&2\n");
    world.run("svcadm", &["clear", "imager"]).ok();
    world.await_state("imager", "online");
    let run = last_run(&world);
    assert_eq!(steps(&run)[..1], ["waits"], "{run}");
    assert!(run.contains("waited\n"), "{run}");
    let medium =
        |world: &World| fs::read(world.current("imager/default").join("tiny.iso")).unwrap();
    let first = medium(&world);

    // From a step that the user names, of a manifest that changed meanwhile.
    edit(&manifest, "</distribution>", "<!-- a remark --></distribution>");
    set(&world, &["image/resume_from = astring: grub-setup"]);
    world.run("svcadm", &["restart", "imager"]).ok();
    await_true(&|| last_run(&world).contains("finished out/"), &|| world.story());
    world.await_state("imager", "online");
    let run = last_run(&world);
    assert!(run.contains("Results may be indeterminate.\n"), "{run}");
    assert_eq!(steps(&run), ["grub-setup", "waits", "iso", "boot-test"], "{run}");
    assert!(medium(&world) == first, "a remark changes no medium");

    // Set anew it counts where nothing changed; what stays set counts no more.
    set(&world, &["image/resume_from = astring: iso"]);
    let output = world.current("imager/default");
    for (began, ended) in [(&["iso", "boot-test"][..], "finished out/"), (&[], "up to date (out/")]
    {
        let runs = world.log(LOG).matches("Executing start method").count();
        world.run("svcadm", &["restart", "imager"]).ok();
        let is_done = || {
            let again = world.log(LOG).matches("Executing start method").count() > runs;
            again && last_run(&world).contains(ended)
        };
        await_true(&is_done, &|| world.story());
        world.await_state("imager", "online");
        assert_eq!(steps(&last_run(&world)), began, "{}", last_run(&world));
        assert!(world.current("imager/default") != output && medium(&world) == first);
    }
    assert!(last_run(&world).contains("was gone back to iso"), "{}", last_run(&world));
}

/// A repository of one package with many files.
fn repository(place: &Path) -> PathBuf {
    let repo = place.join("repo");
    let proto = place.join("proto/usr/share");
    fs::create_dir_all(&proto).unwrap();
    let mut manifest = String::from("dir path=usr/share owner=root group=bin mode=0755\n");
    for number in 0..FILES {
        let text = format!("{number} ").repeat(number % 50);
        fs::write(proto.join(number.to_string()), text).unwrap();
        let path = format!("usr/share/{number}");
        manifest += &format!("file {path} path={path} owner=root group=bin mode=0644\n");
    }
    manifest.insert_str(0, "set name=pkg.fmri value=entire@1.0\n");
    let list = place.join("entire.p5m");
    fs::write(&list, manifest).unwrap();
    let run = |program: &str, words: &[&str]| {
        let mut command = Command::new(programs().join(program));
        Said::run({
            command.args(words).env("SOURCE_DATE_EPOCH", "1700000000");
            command
        })
        .ok()
    };
    let text = |path: &Path| path.to_str().unwrap().to_string();
    run("pkgrepo", &["create", &text(&repo)]);
    run("pkgrepo", &["-s", &text(&repo), "add-publisher", "orchard.example"]);
    let proto = text(&place.join("proto"));
    run("pkgsend", &["-s", &text(&repo), "publish", "-d", &proto, &text(&list)]);
    repo
}

/// Sixteen groups of 64 are on their way at a time: of so many some have come when three quarters were
/// asked for.
const FILES: usize = 40 * 64;

/// Builds as far as packages are laid, in an area of its own.
struct Bench {
    place: tempfile::TempDir,
}

impl Bench {
    fn build(&self, area: &str, origin: &str, options: &[&str]) -> Said {
        let text = fs::read_to_string(top().join("svc/imager/tests/common/manifest.xml")).unwrap();
        let step = "<script name=\"/usr/share/distro_const/im_pop.py\">\
                    <checkpoint name=\"im-pop\" message=\"Image area creation\"/></script>";
        let text = text
            .replace("@AREA@", self.place.path().join(area).to_str().unwrap())
            .replace("@REPO@", origin)
            .replace("@FLAGS@", "")
            .replace("@SCRIPTS@", step);
        let manifest = self.place.path().join(format!("{area}.xml"));
        fs::write(&manifest, text).unwrap();
        let mut command = Command::new(programs().join("distro_const"));
        command.arg("build").args(options).arg(&manifest).env("PKG_CLIENT_LOWSPEED_TIMEOUT", "1");
        Said::run(command)
    }

    /// What the image holds: bytes, and what the table says.
    fn image(&self, area: &str) -> BTreeMap<String, Vec<u8>> {
        let data = self.place.path().join(area).join("build_data");
        let mut image = contents(&data.join("pkg_image"), &data.join("pkg_image"));
        image.insert("table".into(), fs::read(data.join("pkg_image.table")).unwrap());
        image
    }
}

#[test]
fn a_network_that_breaks_is_asked_again_and_told_of() {
    let bench = Bench { place: tempfile::tempdir().unwrap() };
    let repo = repository(bench.place.path());
    let said = bench.build("quiet", &format!("file://{}", repo.display()), &[]);
    assert_eq!(said.status, 0, "{}", said.err);
    let wanted = bench.image("quiet");
    assert!(wanted.len() > FILES);

    let depot = Depot::of(&repo);
    let cuts = [0, 100, 1_000, 10_000, 30_000].map(Fate::Cut);
    let fates = [&cuts[..], &[Fate::Silent(500)], &cuts, &[Fate::Silent(20_000)], &cuts].concat();
    let way = Severed::to(depot.address(), &fates, 0);
    let said = bench.build("broken", &format!("http://{}", way.address()), &[]);
    assert_eq!(said.status, 0, "{}", said.err);
    assert!(way.left() < fates.len() - 4, "{} connections were left whole", way.left());
    assert_eq!(bench.image("broken"), wanted);
    drop(way);

    // It goes in the middle, and does not come back: tried, told, and what came is kept.
    let way = Severed::to(depot.address(), &[], FILES * 3 / 4);
    let address = way.address().to_string();
    let said = bench.build("gone", &format!("http://{address}"), &[]);
    assert_eq!(said.status, 1, "{}", said.err);
    for text in [
        format!("http://{address}"),
        "; trying again in 1 s\n".to_string(),
        "; trying again in 3 s\n".to_string(),
        "the network was lost 3 times: ".to_string(),
        "Build failed.\n".to_string(),
    ] {
        assert!(said.err.contains(&text), "{text}: {}", said.err);
    }
    drop(way);
    let kept = fs::read_dir(bench.place.path().join("gone/.fetched")).unwrap().count();
    assert!((1..FILES).contains(&kept), "{kept} files are kept");
    let way = Severed::at(&address, depot.address(), &[], 0);
    let said = bench.build("gone", &format!("http://{address}"), &["-R"]);
    assert_eq!(said.status, 0, "{}", said.err);
    assert!((1..FILES).contains(&way.asked()), "{} files were asked for again", way.asked());
    assert_eq!(bench.image("gone"), wanted);
    assert!(!bench.place.path().join("gone/.fetched").exists());
}
