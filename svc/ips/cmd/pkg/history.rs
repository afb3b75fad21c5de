//! history.rs - `pkg history` and `pkg purge-history`: what was done with the image.

use ips_client::image::{HistoryError, Image, Operation, Outcome};
use ips_cmd::Failure;
use ips_model::Timestamp;
use jiff::civil::DateTime;

use crate::call::Call;
use crate::session::Session;

/// A column: its name, heading and width.
const COLUMNS: [(&str, &str, usize); 17] = [
    ("be", "BE", 20),
    ("be_uuid", "BE UUID", 41),
    ("client", "CLIENT", 19),
    ("client_ver", "VERSION", 15),
    ("command", "COMMAND", 0),
    ("finish", "FINISH", 25),
    ("id", "ID", 10),
    ("new_be", "NEW BE", 20),
    ("new_be_uuid", "NEW BE UUID", 41),
    ("operation", "OPERATION", 25),
    ("outcome", "OUTCOME", 12),
    ("reason", "REASON", 10),
    ("release_notes", "RELEASE NOTES", 12),
    ("snapshot", "SNAPSHOT", 20),
    ("start", "START", 25),
    ("time", "TIME", 10),
    ("user", "USER", 10),
];

/// Lists the operations.
pub fn history(call: &Call) -> Result<u8, Failure> {
    let given = call.given(&["H*", "N*", "l*", "n=*", "o=*", "t=*"])?;
    let limit = match given.value("n").map(str::parse::<i64>) {
        None => None,
        Some(Err(_)) => return plain("Argument to -n must be numeric"),
        Some(Ok(..=0)) => return plain("Argument to -n must be positive"),
        Some(Ok(limit)) => usize::try_from(limit).ok(),
    };
    let mut columns = vec!["start", "operation", "client", "outcome"];
    if let Some(list) = given.value("o") {
        columns = list.split(',').collect();
        if let Err(message) = check_columns(&columns) {
            return plain(&message);
        }
    }
    for (one, other) in [("H", "l"), ("o", "l"), ("n", "t"), ("o", "N"), ("l", "N")] {
        if given.has(one) && given.has(other) {
            return Err(call.usage(format!("-{one} and -{other} may not be combined")));
        }
    }
    let image = call.image()?;
    let operations = chosen(call, &image, limit, &given.values("t").collect::<Vec<_>>())?;
    if given.has("N") {
        for operation in &operations {
            let start = shown(&operation.start);
            match image.notes(operation).map_err(unreadable)? {
                None => println!("{start}: Release notes: None"),
                Some(notes) => {
                    println!("{start}: Release notes:");
                    notes.lines().for_each(|line| println!("    {line}"));
                }
            }
        }
        return Ok(0);
    }
    if given.has("l") {
        operations.iter().for_each(long);
        return Ok(0);
    }
    if !given.has("H") {
        let headings = columns.iter().filter_map(|name| column(name));
        println!(
            "{}",
            line(
                &columns,
                &headings.map(|(_, heading, _)| heading.to_string()).collect::<Vec<_>>()
            )
        );
    }
    for operation in &operations {
        let cells: Vec<String> = columns.iter().map(|name| cell(operation, name)).collect();
        println!("{}", line(&columns, &cells));
    }
    Ok(0)
}

/// Forgets them all, but that this was done.
pub fn purge_history(call: &Call) -> Result<u8, Failure> {
    let session = Session::begin(call, "purge-history")?;
    session.image.purge_history().map_err(|error| {
        Failure::new(format!(
            "An error was encountered while attempting to purge client history.\npkg: {error}"
        ))
    })?;
    session.end(Outcome::SUCCEEDED)?;
    println!("History purged.");
    Ok(0)
}

fn unreadable(error: HistoryError) -> Failure {
    Failure::new(format!(
        "An error was encountered while attempting to load history information\nabout past client operations.\npkg: {error}"
    ))
}

fn plain(message: &str) -> Result<u8, Failure> {
    eprintln!("{message}");
    Ok(2)
}

fn column(name: &str) -> Option<(&'static str, &'static str, usize)> {
    COLUMNS.into_iter().find(|(known, _, _)| *known == name)
}

fn check_columns(columns: &[&str]) -> Result<(), String> {
    if columns.contains(&"command") && columns.contains(&"reason") {
        return Err("'command' and 'reason' columns cannot be used together.".to_string());
    }
    for name in ["command", "reason"] {
        let at = columns.iter().position(|column| *column == name);
        if at.is_some_and(|at| at + 1 != columns.len()) {
            return Err(format!("The '{name}' column must be the last item in the -o list"));
        }
    }
    for (at, name) in columns.iter().enumerate() {
        if column(name).is_none() {
            return Err(format!("Unknown output column '{name}'"));
        }
        if columns[..at].contains(name) {
            return Err(format!("Duplicate column specified: {name}"));
        }
    }
    Ok(())
}

/// Columns beside each other, the last one as long as it is.
fn line(columns: &[&str], cells: &[String]) -> String {
    let mut text = String::new();
    for (at, (name, cell)) in columns.iter().zip(cells).enumerate() {
        let width = column(name).map_or(0, |(_, _, width)| width);
        let width = if at + 1 == columns.len() { 0 } else { width };
        text.push_str(&format!("{cell:width$}"));
    }
    text
}

fn chosen(
    call: &Call,
    image: &Image,
    limit: Option<usize>,
    times: &[&str],
) -> Result<Vec<Operation>, Failure> {
    let mut all = image.history().map_err(unreadable)?;
    if let Some(limit) = limit {
        all.drain(..all.len().saturating_sub(limit));
    }
    if times.is_empty() {
        return Ok(all);
    }
    let mut ranges = Vec::new();
    for text in times.iter().flat_map(|list| list.split(',')) {
        let bad = || call.failed(format!("Time '{text}' is not of the form YYYY-MM-DDTHH:MM:SS."));
        let time = |text: &str| match text {
            "now" => Some(DateTime::MAX),
            text => DateTime::strptime("%Y-%m-%dT%H:%M:%S", text).ok(),
        };
        // A time has two dashes of its own, a range one more between its ends.
        let range = text
            .match_indices('-')
            .find_map(|(at, _)| Some((time(&text[..at])?, time(&text[at + 1..])?)));
        let single = || time(text).map(|time| (time, time));
        ranges.push(range.or_else(single).ok_or_else(bad)?);
    }
    all.retain(|operation| {
        let start = local(&operation.start);
        start.is_some_and(|start| ranges.iter().any(|(from, to)| (*from..=*to).contains(&start)))
    });
    if all.is_empty() {
        return Err(call.failed(format!("No history entries found for '{}'.", times.join(","))));
    }
    Ok(all)
}

/// A stored time in the user's time zone.
fn local(stored: &str) -> Option<DateTime> {
    let time = Timestamp::parse(stored).ok()?;
    let time = jiff::Timestamp::from_microsecond(time.micros()).ok()?;
    Some(time.to_zoned(jiff::tz::TimeZone::system()).datetime())
}

fn shown(stored: &str) -> String {
    local(stored)
        .map_or_else(|| stored.to_string(), |time| time.strftime("%Y-%m-%dT%H:%M:%S").to_string())
}

fn cell(operation: &Operation, name: &str) -> String {
    let other = |name: &str, absent: &str| operation.other(name).unwrap_or(absent).to_string();
    match name {
        "be" => other("be", "(Unknown)"),
        "be_uuid" => other("be_uuid", "(Unknown)"),
        "client" => operation.client.clone(),
        "client_ver" => operation.client_version.clone(),
        "command" => operation.arguments.join(" "),
        "finish" if operation.end < operation.start => {
            format!("{} (clock drift detected)", shown(&operation.end))
        }
        "finish" => shown(&operation.end),
        "id" => operation.userid.clone(),
        "new_be" => other("new_be", "(None)"),
        "new_be_uuid" => other("new_be_uuid", "(None)"),
        "operation" => operation.name.clone(),
        "outcome" => operation.outcome.clone(),
        "reason" => operation.reason.clone(),
        "release_notes" if operation.release_notes().is_some() => "Yes".to_string(),
        "release_notes" => "No".to_string(),
        "snapshot" => other("snapshot", "(None)"),
        "start" => shown(&operation.start),
        "time" => duration(operation),
        _ => operation.user.clone(),
    }
}

fn duration(operation: &Operation) -> String {
    let seconds = |text: &str| Timestamp::parse(text).map_or(0, Timestamp::seconds);
    let total = (seconds(&operation.end) - seconds(&operation.start)).max(0);
    format!("{}:{:02}:{:02}", total / 3_600, total / 60 % 60, total % 60)
}

fn long(operation: &Operation) {
    let fields = [
        ("Operation", "operation"),
        ("Outcome", "outcome"),
        ("Reason", "reason"),
        ("Client", "client"),
        ("Version", "client_ver"),
        ("User", "user"),
        ("Boot Env.", "be"),
        ("Boot Env. UUID", "be_uuid"),
        ("New Boot Env.", "new_be"),
        ("New Boot Env. UUID", "new_be_uuid"),
        ("Snapshot", "snapshot"),
        ("Start Time", "start"),
        ("End Time", "finish"),
        ("Total Time", "time"),
        ("Command", "command"),
        ("Release Notes", "release_notes"),
    ];
    for (label, name) in fields {
        let value = cell(operation, name);
        match name {
            "user" => println!("{label:>18}: {value} ({})", operation.userid),
            _ => println!("{label:>18}: {value}"),
        }
    }
    let errors = operation.errors.join("\n");
    for (label, text) in [
        ("Start State", &operation.start_state),
        ("End State", &operation.end_state),
        ("Errors", &errors),
    ] {
        if !text.is_empty() {
            println!("{label:>18}: \n{text}");
        }
    }
    println!();
}
