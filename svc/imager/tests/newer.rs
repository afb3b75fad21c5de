//! The newer form at work: its options, what it says on the console and in its logs, what can be gone
//! on from.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Said, Yard, absent, media};
use image_checkpoint::{Area, Options, Place};

/// A manifest of scripts: names and commands.
fn manifest(yard: &Yard, steps: &[(&str, &str)]) {
    let steps = steps.iter().map(|(name, command)| {
        format!(
            "<checkpoint name=\"{name}\" desc=\"Do {name}\" mod_path=\"custom_script\" \
             checkpoint_class=\"CustomScript\"><args>{command}</args></checkpoint>\n"
        )
    });
    yard.newer_with("false", "", &steps.collect::<String>());
}

/// Lines of the console without their times, which they all have.
fn lines(said: &Said) -> Vec<String> {
    let line = |line: &str| {
        let (time, rest) = line.split_at(12);
        let shape: String =
            time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert_eq!(shape, "00:00:00    ", "{}", said.err);
        rest.to_string()
    };
    // What follows the record's first line has no columns.
    let first = said.err.lines().filter(|line| !line.starts_with("Log: "));
    first.map(line).collect()
}

fn table(rows: &[(&str, bool)]) -> String {
    let mut text = "Checkpoint           Resumable Description\n\
                    ----------           --------- -----------\n"
        .to_string();
    for (name, mark) in rows {
        let mark = if *mark { "X" } else { " " };
        text.push_str(&format!("{name:<20}{mark:>6}     {:<20}\n", format!("Do {name}")));
    }
    text
}

#[test]
fn builds_pause_fail_and_go_on() {
    let yard = Yard::new();
    let mend =
        yard.script("mend", "#!/bin/sh\necho out\necho err >&2\ntest -e \"${0%/*}\"/mended\n");
    let mend = format!("{mend} {{BUILD_DATA}}");
    let steps = [("one", "/bin/true"), ("two", mend.as_str()), ("three", "/bin/echo done")];
    manifest(&yard, &steps);
    let run = |words: &[&str]| yard.run(&[&["build"], words].concat());
    let shown =
        |marks: [bool; 3]| table(&[("one", marks[0]), ("two", marks[1]), ("three", marks[2])]);
    let said = run(&["m.xml", "--list"]);
    assert_eq!((said.status, said.err.as_str()), (0, shown([false; 3]).as_str()));

    // What is refused is refused before anything is done.
    for (words, wanted) in [
        (&["-r", "two", "m.xml"][..], "'two' is not a resumable checkpoint"),
        (&["-p", "1", "m.xml"], "'1' is not a valid checkpoint to pause execution at."),
    ] {
        let said = run(words);
        assert_eq!((said.status, lines(&said)), (1, vec![wanted.to_string()]));
    }

    let said = run(&["--pause=two", "m.xml"]);
    assert_eq!(said.status, 0, "{}", said.err);
    let heard = lines(&said);
    let folder = yard.path("area/logs");
    assert_eq!(heard[0], "Build datasets successfully setup");
    for (line, start) in heard[1..3].iter().zip(["Simple log: ", "Detail Log: "]) {
        let kind = start[..6].to_lowercase();
        let wanted = format!("{start}{}/{kind}-log.", folder.display());
        assert!(line.starts_with(&wanted), "{line}");
    }
    assert_eq!(
        heard[3..],
        [
            "=== Executing Custom Script Checkpoint ===",
            "Custom Script provided is: '/bin/true'",
            "Custom Script to run is: '/bin/true'",
            "Stopping at two: Do two ",
        ]
    );
    assert_eq!(run(&["-l", "m.xml"]).err, shown([true, true, false]));

    // It fails: said when it does, and why at the end.
    let said = run(&["-v", "m.xml", "-r", "two"]);
    assert_eq!(said.status, 1, "{}", said.err);
    let heard = lines(&said);
    assert!(heard.iter().any(|line| line == "Registering Checkpoint:  three"), "{}", said.err);
    assert!(heard.iter().any(|line| line == "out"), "{}", said.err);
    assert_eq!(
        heard[heard.len() - 4..],
        [
            "Error occurred during execution of 'two' checkpoint.",
            "'two' checkpoint failed",
            "Child returned err 1",
            "Please check the log for additional error messages. ",
        ]
    );
    assert!(
        said.err.contains(&format!(" \nLog: {}/detail-log.", folder.display())),
        "{}",
        said.err
    );
    let log = |kind: &str| {
        let entries = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        let own = entries.filter(|path| path.to_str().unwrap().contains(&format!("/{kind}-log.")));
        own.map(|path| std::fs::read_to_string(path).unwrap()).collect::<String>()
    };
    let (simple, detail) = (log("simple"), log("detail"));
    for (text, wanted, there) in [
        (&simple, " InstallationLogger INFO       distro_const will pause at:  two ", true),
        (&simple, " InstallationLogger INFO       distro_const will resume from:  two ", true),
        (&simple, " InstallationLogger.two ERROR      err ", true),
        (&simple, " InstallationLogger.two DEBUG      out ", false),
        (&detail, " InstallationLogger.two DEBUG      out ", true),
        (&detail, " InstallationLogger DEBUG      No http_proxy specified in the manifest ", true),
    ] {
        assert_eq!(text.contains(wanted), there, "{wanted}: {text}");
    }

    // A description is no registration; arguments are.
    std::fs::write(yard.path("scripts/mended"), "").unwrap();
    let described = std::fs::read_to_string(yard.path("m.xml")).unwrap();
    std::fs::write(yard.path("m.xml"), described.replace("Do one", "Does one")).unwrap();
    let said = run(&["m.xml", "--res", "two"]);
    assert_eq!(said.status, 0, "{}", said.err);
    manifest(&yard, &[("one", "/bin/true again"), steps[1], steps[2]]);
    assert_eq!(run(&["-l", "m.xml"]).err, shown([true, false, false]));
    manifest(&yard, &[steps[0], steps[1], ("three", "/bin/echo more")]);
    assert_eq!(run(&["-l", "m.xml"]).err, shown([true; 3]));
    let said = run(&["-r", "three", "-p", "three", "m.xml"]);
    let nothing = "No checkpoint will be executed based on specified criteria.";
    assert_eq!((said.status, lines(&said)), (0, vec![nothing.to_string()]));
}

#[test]
fn a_log_that_cannot_be_opened_is_told_of() {
    let yard = Yard::new();
    manifest(&yard, &[("one", "/bin/true")]);
    assert_eq!(yard.run(&["build", "-l", "m.xml"]).status, 0);
    // A folder stands where the log would, in this minute and the next two.
    let now = jiff::Zoned::now();
    for minutes in 0..3 {
        let then = now.saturating_add(jiff::Span::new().minutes(minutes));
        let name = format!("detail-log.{}", then.strftime("%Y-%m-%d.%H:%M"));
        std::fs::create_dir(yard.path("area/logs").join(name)).unwrap();
    }
    let said = yard.run(&["build", "m.xml"]);
    let last = lines(&said).pop().unwrap();
    let start = format!("{}/detail-log.", yard.path("area/logs").display());
    assert!(last.starts_with(&start) && last.ends_with(": Is a directory (os error 21)"), "{last}");
    assert_eq!(said.status, 1);
}

#[test]
fn the_second_build_says_who_holds_the_area() {
    let yard = Yard::new();
    manifest(&yard, &[("one", "/bin/true")]);
    let area = yard.path("area");
    let options = Options { tools: std::sync::Arc::new(imager::zfs::Zfs), calls: None };
    let held = Area::open(&Place::Directory(area.clone()), &options).unwrap();
    let said = yard.run(&["build", "m.xml"]);
    let wanted = format!(
        "distro_const: An instance of distro_const is already running in {} (process {} since ",
        area.display(),
        std::process::id()
    );
    assert_eq!(said.status, 1);
    assert!(lines(&said)[0].starts_with(&wanted), "{}", said.err);
    drop(held);
    assert_eq!(yard.run(&["build", "m.xml"]).status, 0);
}

#[test]
fn media_have_their_time_in_their_names() {
    if let Some(program) = absent() {
        eprintln!("SKIPPED: {program} is absent");
        return;
    }
    let yard = Yard::new();
    yard.newer("true");
    let said = yard.run(&["build", "m.xml"]);
    assert_eq!(said.status, 0, "{}", said.err);
    let folder = yard.path("area/media");
    let link = std::fs::read_link(folder.join("Orchard.iso")).unwrap();
    let name = link.to_str().unwrap();
    let digits = name.strip_prefix("Orchard-").and_then(|rest| rest.strip_suffix(".iso")).unwrap();
    assert!(digits.len() == 11 && digits.split('-').count() == 4, "{name}");
    let heard = lines(&said);
    let line = format!("Making final ISO image: {}/{name}", folder.display());
    let at =
        heard.iter().position(|heard| *heard == line).unwrap_or_else(|| panic!("{}", said.err));
    assert_eq!(heard[at - 1], "=== Executing Create ISO Checkpoint ==");
    let facts = std::fs::read_to_string(folder.join("Orchard.facts.json")).unwrap();
    assert!(facts.contains("\"Orchard.iso\""), "{facts}");
    assert!(yard.run(&["build", "m.xml"]).err.contains("Everything is there"));

    // What is gone is made again, whichever step made it, and no step before it.
    let first = media(&folder);
    std::fs::remove_file(folder.join(name)).unwrap();
    let said = yard.run(&["build", "m.xml"]);
    assert_eq!(said.status, 0, "{}", said.err);
    let unchanged = "Unchanged since the last build: ips set-ips-attributes ba-init ba-config \
                     ba-arch grub-setup pkg-img-mod";
    assert!(lines(&said).iter().any(|line| line == unchanged), "{}", said.err);
    let again = std::fs::read(folder.join("Orchard.iso")).unwrap();
    assert!(again == first[name], "another medium");
}

#[test]
fn depots_and_scripts_go_by_the_proxy_of_the_manifest() {
    use std::io::{BufRead, BufReader};
    let yard = Yard::new();
    let proxy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("http://{}", proxy.local_addr().unwrap());
    let says = yard.script("says", "#!/bin/sh\necho \"by $http_proxy and $HTTP_PROXY\" >&2\n");
    let software = "<software name=\"ips\" type=\"IPS\"><destination><image action=\"create\">\
                    <img_type completeness=\"full\"/></image></destination><source>\
                    <publisher name=\"a.example\"><origin name=\"http://depot.invalid/\"/>\
                    </publisher></source><software_data action=\"install\"><name>pkg:/entire\
                    </name></software_data></software>\n";
    let steps = format!(
        "<checkpoint name=\"says\" mod_path=\"m\" checkpoint_class=\"CustomScript\"><args>{says}\
         </args></checkpoint>\n\
         <checkpoint name=\"ips\" mod_path=\"m\" checkpoint_class=\"TransferIPS\"/>\n"
    );
    yard.newer_with("false", software, &steps);
    let text = std::fs::read_to_string(yard.path("m.xml")).unwrap();
    let with = format!("add_timestamp=\"false\" http_proxy=\"{uri}\"");
    std::fs::write(yard.path("m.xml"), text.replace("add_timestamp=\"false\"", &with)).unwrap();
    let mut build = yard.command(&["build", "-v", "m.xml"]);
    build.env("http_proxy", "http://127.0.0.1:1").stderr(std::process::Stdio::piped());
    let mut build = build.spawn().unwrap();
    let mut heard = BufReader::new(build.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(heard.any(|line| line.ends_with(&format!("Setting http_proxy to {uri}"))));
    assert!(heard.any(|line| line.ends_with(&format!("by {uri} and {uri}"))));
    // A build that ends without asking anybody is noticed.
    let address = proxy.local_addr().unwrap();
    let end = std::thread::spawn(move || {
        heard.for_each(drop);
        drop(std::net::TcpStream::connect(address));
    });
    let mut asked = String::new();
    BufReader::new(proxy.accept().unwrap().0).read_line(&mut asked).unwrap();
    assert!(asked.contains("depot.invalid"), "{asked}");
    build.kill().unwrap();
    build.wait().unwrap();
    end.join().unwrap();
}
