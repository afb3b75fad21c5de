//! lines.rs - what either form says of a step, and how it writes its logs.
//!
//! | | older | newer (`dc`) |
//! |---|---|---|
//! | logs | `simple-log-YYYY-MM-DD-HH-MM-SS` | `simple-log.YYYY-MM-DD.HH:MM` |
//! | their lines | as they are | columns: time, logger, level, line |
//! | before a step | `==== NAME: MESSAGE ` | `=== Executing KIND Checkpoint ===` |
//! | console | as they are | `HH:MM:SS`, then the line |
//!
//! Pure: the time is handed in.

use image_manifest::{Form, Native, Step};
use jiff::Zoned;

/// The logger of the newer form; that of a checkpoint has its name behind a dot.
const LOGGER: &str = "InstallationLogger";

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For the detail log.
    Debug,
    /// For whoever watches.
    Info,
    /// Something went wrong, or a script says so.
    Error,
}

/// The name of a log of a kind, `simple` or `detail`.
pub fn log_name(form: Form, kind: &str, now: &Zoned) -> String {
    let stamp = match form {
        Form::Dc => ".%Y-%m-%d.%H:%M",
        Form::Distribution | Form::Distribution2009 => "-%Y-%m-%d-%H-%M-%S",
    };
    format!("{kind}-log{}", now.strftime(stamp))
}

/// A line as the logs have it; `step`: the one that says it.
pub fn logged(form: Form, level: Level, step: Option<&str>, line: &str, now: &Zoned) -> String {
    if form != Form::Dc {
        return format!("{line}\n");
    }
    let level = match level {
        Level::Debug => "DEBUG",
        Level::Info => "INFO",
        Level::Error => "ERROR",
    };
    let logger = match step {
        Some(step) => format!("{LOGGER}.{step}"),
        None => LOGGER.to_owned(),
    };
    let time = format!("{},{:03}", now.strftime("%Y-%m-%d %H:%M:%S"), now.millisecond());
    format!("{time:<25} {logger:<10} {level:<10} {line:<50}\n")
}

/// A line as the console has it.
pub fn shown(form: Form, line: &str, now: &Zoned) -> String {
    match form {
        Form::Dc => format!("{:<11} {line}", now.strftime("%H:%M:%S").to_string()),
        Form::Distribution | Form::Distribution2009 => line.to_owned(),
    }
}

/// What is said when a step begins.
pub fn begun(form: Form, step: &Step) -> String {
    let Step { name, message, native, built_in, .. } = step;
    if form != Form::Dc {
        return format!("==== {name}: {message}{}", if *built_in { "" } else { " " });
    }
    let kind = match native {
        None => "Custom Script",
        Some(Native::ImMod) => "Pre-Package Image Modification",
        Some(Native::BaConfig) => "Boot Archive Configuration",
        Some(Native::BaArch) => "Boot Archive Archive",
        Some(Native::PostMod) => "Pkg Image Modification",
        Some(Native::GrubSetup) => "Grub Setup",
        Some(Native::Usb) => "Create USB",
        Some(Native::AiPublishPkg) => "AI Publish Packages",
        // The original's own two signs at the end.
        Some(Native::Iso) => return "=== Executing Create ISO Checkpoint ==".to_owned(),
        Some(_) => name,
    };
    format!("=== Executing {kind} Checkpoint ===")
}

/// What is said when a build stops before a step.
pub fn stopped(step: &Step) -> String {
    let Step { name, message, built_in, .. } = step;
    // The original's im-pop of 2009 was no script: its message is not told.
    let message = if *built_in { String::new() } else { format!(": {message} ") };
    format!("Stopping at {name}{message}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Zoned {
        "2026-01-02T03:04:05.067+00:00[UTC]".parse().unwrap()
    }

    fn step(name: &str, native: Option<Native>) -> Step {
        Step {
            name: name.to_owned(),
            message: "ISO image creation".to_owned(),
            native,
            script: String::new(),
            arguments: Vec::new(),
            named: Vec::new(),
            built_in: false,
        }
    }

    #[test]
    fn the_older_form_says_the_line() {
        let form = Form::Distribution;
        assert_eq!(log_name(form, "simple", &now()), "simple-log-2026-01-02-03-04-05");
        assert_eq!(logged(form, Level::Error, Some("iso"), "full", &now()), "full\n");
        assert_eq!(shown(form, "full", &now()), "full");
        let iso = step("iso", Some(Native::Iso));
        assert_eq!(begun(form, &iso), "==== iso: ISO image creation ");
        assert_eq!(stopped(&iso), "Stopping at iso: ISO image creation ");
        let built_in = Step { built_in: true, ..iso };
        assert_eq!(begun(Form::Distribution2009, &built_in), "==== iso: ISO image creation");
        assert_eq!(stopped(&built_in), "Stopping at iso");
    }

    #[test]
    fn the_newer_form_says_when_who_and_how_much() {
        assert_eq!(log_name(Form::Dc, "detail", &now()), "detail-log.2026-01-02.03:04");
        let line = logged(Form::Dc, Level::Info, None, "Simple log: /a", &now());
        let wanted = format!(
            "2026-01-02 03:04:05,067   InstallationLogger INFO       {:<50}\n",
            "Simple log: /a"
        );
        assert_eq!(line, wanted);
        let line = logged(Form::Dc, Level::Debug, Some("ba-arch"), &"x".repeat(51), &now());
        assert!(line.contains("  InstallationLogger.ba-arch DEBUG      xxx"), "{line}");
        assert!(line.ends_with("x\n"), "{line}");
        assert_eq!(shown(Form::Dc, "full", &now()), "03:04:05    full");
        for (name, native, wanted) in [
            ("mine", None, "=== Executing Custom Script Checkpoint ==="),
            ("ba", Some(Native::BaArch), "=== Executing Boot Archive Archive Checkpoint ==="),
            ("ips", Some(Native::ImPop), "=== Executing ips Checkpoint ==="),
            ("iso", Some(Native::Iso), "=== Executing Create ISO Checkpoint =="),
        ] {
            assert_eq!(begun(Form::Dc, &step(name, native)), wanted);
        }
    }
}
