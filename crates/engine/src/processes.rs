//! Processes as the host sees them, read from `/proc` alone.

/// What the table shows of a process, in the columns of `ps -ef`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessRow {
    pub pid: i32,
    pub user: String,
    pub parent: i32,
    /// Share of a processor over its life, in percent, 99 at most.
    pub percent: u8,
    /// Start, in nanoseconds since 1970.
    pub started: i64,
    pub terminal: String,
    /// Processor time so far.
    pub seconds: u64,
    pub command: String,
}

/// Reads a process (proc_pid_stat(5)); one that has just ended has no row.
pub(crate) fn row(pid: i32) -> Option<ProcessRow> {
    let stat = read(pid, "stat")?;
    let (name, rest) = stat.rsplit_once(") ")?;
    let name = name.split_once('(')?.1;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let number = |index: usize| fields.get(index).and_then(|field| field.parse::<i64>().ok());
    // Ticks are a hundredth of a second for user space on every architecture (USER_HZ).
    let started = boot_time()? + number(19)? * 10_000_000;
    let command = sys::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let command = String::from_utf8_lossy(&command).trim_end_matches('\0').replace('\0', " ");
    let command = if command.is_empty() { format!("[{name}]") } else { command };
    // Not the owner of the directory: that is root where the process may not be dumped.
    let status = read(pid, "status")?;
    let uids = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    let owner = uids.split_whitespace().nth(1)?.parse().ok()?;
    let ticks = u64::try_from(number(11)? + number(12)?).ok()?;
    Some(ProcessRow {
        percent: percent(ticks, supervisor::status::now() - started),
        pid,
        user: user_name(owner),
        parent: i32::try_from(number(1)?).ok()?,
        started,
        terminal: terminal_name(number(4)?),
        seconds: ticks / 100,
        // What a program calls itself goes to the reader's terminal.
        command: command.replace(char::is_control, "?"),
    })
}

/// Reads what the kernel says of a process. Its name is what it calls itself, and need not be text.
pub(crate) fn read(pid: i32, file: &str) -> Option<String> {
    let bytes = sys::fs::read(format!("/proc/{pid}/{file}")).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Returns how much of its life a process has had a processor, as procps tells it.
fn percent(ticks: u64, life_nanos: i64) -> u8 {
    let used = u128::from(ticks) * 10_000_000 * 100;
    let life = u128::try_from(life_nanos).unwrap_or(0).max(1);
    u8::try_from(used / life).unwrap_or(99).min(99)
}

/// Returns the time of the boot in nanoseconds since 1970.
fn boot_time() -> Option<i64> {
    let stat = sys::fs::read_to_string("/proc/stat").ok()?;
    let line = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
    Some(line.trim().parse::<i64>().ok()? * 1_000_000_000)
}

/// Names a terminal by its device number (Documentation/admin-guide/devices.txt).
fn terminal_name(device: i64) -> String {
    let device = u64::try_from(device).unwrap_or(0);
    let (major, minor) = ((device >> 8) & 0xfff, (device & 0xff) | ((device >> 12) & 0xfff00));
    match major {
        136..=143 => format!("pts/{}", (major - 136) * 256 + minor),
        4 => format!("tty{minor}"),
        _ => "?".to_owned(),
    }
}

/// Returns the host's name of a user, or the number.
pub(crate) fn user_name(uid: u32) -> String {
    let accounts = sys::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    name.unwrap_or_else(|| uid.to_string())
}

#[cfg(test)]
#[test]
fn this_process() {
    let row = row(std::process::id().cast_signed()).unwrap();
    assert!(row.parent > 0 && row.started > 0 && row.started <= supervisor::status::now(), "{row:?}");
    assert!(row.command.contains("engine"), "{row:?}");
    assert_eq!(terminal_name(0), "?");
    assert_eq!(terminal_name(136 << 8 | 7), "pts/7");
    assert_eq!(terminal_name(4 << 8 | 1), "tty1");
    for (ticks, life, expected) in
        [(0, 0, 0), (50, 1_000_000_000, 50), (500, 1_000_000_000, 99), (1, 1 << 60, 0)]
    {
        assert_eq!(percent(ticks, life), expected);
    }
}
