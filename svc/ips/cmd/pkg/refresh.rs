//! refresh.rs - `pkg refresh` and `pkg rebuild-index`: catalogs fetched anew; and what any
//! subcommand says of publishers that did not answer.

use ips_client::image::{Image, Outcome, Refresh, Refreshed};
use ips_cmd::{Failure, clock};

use crate::call::{Call, refused};
use crate::session::Session;

/// Fetches them.
pub fn refresh(call: &Call) -> Result<u8, Failure> {
    let given = call.given(&["q*", "full*"])?;
    let image = call.image()?;
    let mut publishers = Vec::new();
    for name in &given.operands {
        let found = image.configuration().publisher(name);
        let Some(publisher) = found else {
            let message = format!("Unknown publisher '{name}'.");
            let hint = "'pkg publisher' will show a list of publishers.";
            return Err(Failure::new(format!("{message}\npkg: {hint}")));
        };
        if publisher.disabled {
            return Err(Failure::new(disabled(&publisher.prefix)));
        }
        publishers.push(publisher.prefix.clone());
    }
    let how = if given.has("full") { Refresh::Full } else { Refresh::Now };
    let session = Session::of(call, image, "refresh-publishers")?;
    finish(session, &publishers, how)
}

fn disabled(publisher: &str) -> String {
    format!("Publisher '{publisher}' is disabled and cannot be used for packaging operations.")
}

/// Refreshes publishers and ends the session: status 1 where none answered, 3 where some did not.
pub fn finish(mut session: Session, publishers: &[String], how: Refresh) -> Result<u8, Failure> {
    let refreshed = session.image.refresh(&session.lock, publishers, how, session.start);
    let refreshed = match refreshed {
        Ok(refreshed) => refreshed,
        Err(error) => return Err(session.fail(Outcome::STORAGE, refused(error))),
    };
    let Some(failure) = failure(&refreshed) else {
        session.end(Outcome::SUCCEEDED)?;
        return Ok(0);
    };
    Err(session.fail(Outcome::TRANSPORT, failure))
}

/// What is said where publishers did not answer.
pub fn failure(refreshed: &Refreshed) -> Option<Failure> {
    if refreshed.failed.is_empty() {
        return None;
    }
    let partial = match refreshed.partial() {
        0 => ":".to_string(),
        number => format!(" ({number} partial):"),
    };
    let (succeeded, total) = (refreshed.succeeded(), refreshed.total);
    let mut text = format!("{succeeded}/{total} catalogs successfully updated{partial}\n");
    for (publisher, origins, failed) in &refreshed.failed {
        text.push_str(&format!(
            "\n{}/{origins} repositories for publisher '{publisher}' could not be refreshed.\n",
            failed.len()
        ));
        for one in failed {
            text.push_str(&format!("\n{}", one.error));
        }
        text.push('\n');
    }
    let mut failure = Failure::new(text);
    failure.status = if succeeded + refreshed.partial() == 0 { 1 } else { 3 };
    Some(failure)
}

/// Refreshes what is due before packages are listed.  Who may not change the image sees what was
/// fetched before.
pub fn if_due(call: &Call, mut image: Image) -> Result<Image, Failure> {
    let now = clock::publication()?;
    let Ok(lock) = image.lock() else { return call.image() };
    let refreshed = image.refresh(&lock, &[], Refresh::IfDue, now).map_err(refused)?;
    match failure(&refreshed) {
        Some(mut failure) => {
            failure.status = 1;
            Err(failure)
        }
        None => Ok(image),
    }
}

/// Forgets the search index; it is made again from the manifests when it is needed.
pub fn rebuild_index(call: &Call) -> Result<u8, Failure> {
    let given = call.given(&[])?;
    call.no_operands(&given)?;
    let session = Session::begin(call, "rebuild-index")?;
    let folder = session.image.metadata().join("cache/index");
    let failed = |error: std::io::Error| Failure::new(format!("{}: {error}", folder.display()));
    if folder.is_dir() {
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            // The lock stays: somebody may be waiting for it.
            if path.is_file() && path.file_name().is_some_and(|name| name != "lock") {
                std::fs::remove_file(&path).map_err(failed)?;
            }
        }
    }
    session.end(Outcome::SUCCEEDED)?;
    Ok(0)
}
