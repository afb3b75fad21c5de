//! text.rs - what restore_repository says to whoever sits before it.

use std::fmt::Write;
use std::path::Path;

use smf_configd::backup::Backup;

pub const USAGE: &str = "\
Usage: restore_repository [-r rootdir] [-l] [-y] [choice]

Restores a backup of the configuration repository of a root whose svc.startd
is not running.  Without a choice it shows what there is and asks.

  -r rootdir  the root; without it $SMF_ROOT
  -l          list the backups, the oldest first, and which are damaged
  -y          do not ask whether to proceed

  choice      a backup of the list, boot, manifest_import or another tag (the
              newest of that name), the path of a file, -seed- or -quit-
";

/// The list and the question.
pub fn introduction(lasting: &Path, all: &[Backup], default: &str) -> String {
    let mut text = String::from(
        "\nSee http://illumos.org/msg/SMF-8000-MY for more information on the use of
this script to restore backup copies of the smf(7) repository.

If there are any problems which need human intervention, this script will
give instructions and then exit back to your shell.
",
    );
    let mut say = |part: &str| text.push_str(part);
    if all.is_empty() {
        say(&format!("\nThere are no backups of {}.\n", lasting.display()));
    } else {
        say(&format!(
            "\nThe following backups of {} exist, from\noldest to newest:\n\n",
            lasting.display()
        ));
        for backup in all {
            say(&format!("{}\n", backup.name()));
        }
        say("
The backups are named based on their type and the time when they were taken.
Backups beginning with \"boot\" are made before the first change is made to
the repository after system boot.  Backups beginning with \"manifest_import\"
are made after svc:/system/manifest-import:default finishes its processing.
The time of backup is given in YYYYMMDD_HHMMSS format.

Please enter either a specific backup repository from the above list to
restore it, or one of the following choices:
");
    }
    say("
\tCHOICE\t\t  ACTION
\t----------------  ----------------------------------------------
");
    let mut choice = |name: &str, action: &str| {
        // Writing into a string fails never.
        let _always = writeln!(text, "\t{name:<18}{action}");
    };
    let there = |tag: &str| all.iter().any(|backup| backup.tag == tag);
    if there("boot") {
        choice("boot", "restore the most recent post-boot backup");
    }
    if there("manifest_import") {
        choice("manifest_import", "restore the most recent manifest_import backup");
    }
    choice("-seed-", "restore the initial starting repository  (All");
    choice("", "  customizations will be lost, including those");
    choice("", "  made by the install/upgrade process.)");
    choice("-quit-", "cancel script and quit");
    let _always = write!(text, "\nEnter response [{default}]: ");
    text
}

/// What will be done, and the question whether to.
pub fn confirmation(lasting: &Path, name: &str) -> String {
    let lasting = lasting.display();
    format!(
        "
After confirmation, the following steps will be taken:

{lasting}
    -- renamed --> {lasting}_old_YYYYMMDD_HHMMSS
{name}
    -- copied --> {lasting}

Proceed [yes/no]? "
    )
}
