//! User and group ids on the two sides of a user namespace.

/// What stands for an id that the other side does not have (`/proc/sys/kernel/overflowuid`).
const NOBODY: u32 = 65534;

/// How ids inside a container appear outside of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ids {
    /// First inside, first outside, count; none means that they are the same.
    users: Vec<(u32, u32, u32)>,
    groups: Vec<(u32, u32, u32)>,
}

impl Ids {
    /// Both sides see the same.
    pub const SAME: Self = Self { users: Vec::new(), groups: Vec::new() };

    /// Reads the texts of `/proc/PID/uid_map` and `gid_map`.
    pub fn parse(uid_map: &str, gid_map: &str) -> Option<Self> {
        Some(Self { users: parse_map(uid_map)?, groups: parse_map(gid_map)? })
    }

    /// Returns the ids inside of a file that was looked at from outside.
    pub(crate) fn inside(&self, uid: u32, gid: u32) -> (u32, u32) {
        let translate = |map: &[(u32, u32, u32)], id: u32| {
            let range =
                map.iter().find(|(_, outside, count)| id.wrapping_sub(*outside) < *count && id >= *outside);
            range.map_or(if map.is_empty() { id } else { NOBODY }, |(inside, outside, _)| {
                inside + (id - outside)
            })
        };
        (translate(&self.users, uid), translate(&self.groups, gid))
    }

    /// Returns the ids outside of a file that is to belong to these inside.
    pub(crate) fn outside(&self, uid: u32, gid: u32) -> (u32, u32) {
        let find = |map: &[(u32, u32, u32)], id: u32| {
            let range = map.iter().find(|(inside, _, count)| id >= *inside && id - *inside < *count);
            range.map(|(inside, outside, _)| outside + (id - inside))
        };
        let translate = |map: &[(u32, u32, u32)], id: u32| match map {
            [] => id,
            map => find(map, id).or_else(|| find(map, NOBODY)).unwrap_or(id),
        };
        (translate(&self.users, uid), translate(&self.groups, gid))
    }

    /// The ids outside of root inside.
    pub fn root(&self) -> (u32, u32) {
        self.outside(0, 0)
    }
}

fn parse_map(text: &str) -> Option<Vec<(u32, u32, u32)>> {
    let line = |line: &str| {
        let mut numbers = line.split_whitespace().map(str::parse::<u32>);
        let mut next = || numbers.next()?.ok();
        Some((next()?, next()?, next()?))
    };
    text.lines().map(line).collect()
}

#[cfg(test)]
#[test]
fn ids_are_translated_or_are_nobodys() {
    let ids = Ids::parse("0 100000 65536\n", "         0     200000      65536\n").unwrap();
    assert_eq!(ids.inside(100_000, 200_005), (0, 5));
    assert_eq!(ids.inside(0, 265_536), (NOBODY, NOBODY));
    assert_eq!(ids.outside(0, 65_535), (100_000, 265_535));
    assert_eq!(ids.outside(70_000, 0), (165_534, 200_000));
    assert_eq!(ids.root(), (100_000, 200_000));
    assert_eq!(Ids::default().inside(7, 8), (7, 8));
    assert_eq!(Ids::default().outside(7, 8), (7, 8));
    assert_eq!(Ids::parse("0 0 4294967295", "0 0 4294967295").unwrap().outside(70_000, 1), (70_000, 1));
    assert_eq!(Ids::parse("x", ""), None);
}
