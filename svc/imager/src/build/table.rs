//! table.rs - what `-l` says: the steps, and from which of them a build can go on.

/// A step as the table shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it does.
    pub message: &'a str,
    /// Whether a build can go on from it.
    pub resumable: bool,
}

/// The lines of the original's table; the first is empty.
pub fn old<'a>(rows: impl IntoIterator<Item = Row<'a>>) -> Vec<String> {
    let head =
        ["", "Step           Resumable Description", "-------------- --------- -------------"];
    let mut lines = head.map(str::to_string).to_vec();
    for Row { name, message, resumable } in rows {
        let mark = if resumable { "X" } else { "" };
        lines.push(format!("{name:<15}{:<10}{message:<10}", format!("    {mark}")));
    }
    lines
}

/// The lines of the newer form's table.
pub fn dc<'a>(rows: impl IntoIterator<Item = Row<'a>>) -> Vec<String> {
    let head = [
        "Checkpoint           Resumable Description",
        "----------           --------- -----------",
    ];
    let mut lines = head.map(str::to_string).to_vec();
    for Row { name, message, resumable } in rows {
        let mark = if resumable { "X" } else { "" };
        lines.push(format!("{name:<20}{mark:>6}     {message:<20}"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: [Row<'static>; 2] = [
        Row { name: "im-pop", message: "Populate the image with packages", resumable: true },
        Row { name: "a-step-of-17-chars", message: "iso", resumable: false },
    ];

    #[test]
    fn columns() {
        assert_eq!(
            old(ROWS),
            [
                "",
                "Step           Resumable Description",
                "-------------- --------- -------------",
                "im-pop             X     Populate the image with packages",
                "a-step-of-17-chars          iso       ",
            ]
        );
        assert_eq!(
            dc(ROWS)[2..],
            [
                "im-pop                   X     Populate the image with packages",
                "a-step-of-17-chars             iso                 ",
            ]
        );
    }
}
