//! The engine's tables in the kernel: elements come and go, the tables are made when they are missing.

use rustix::io::Errno;
use store::Lock;
use sys::netlink::Subject;

use crate::elements;
use crate::error::{Error, Result};
use crate::nft::{
    self, Element, Operation, Table, change_elements, change_elements_one_by_one, list_elements, list_rules,
    replace_table,
};
use crate::socket::{Kept, Lent, Refusal};
use crate::state::State;
use crate::tables::{packet_table, sender_table};
use crate::wire::Batch;

/// How often a change that others get in the way of is tried.
const ATTEMPTS: usize = 16;
const LOCK: &str = ".lock";

/// The tables of one engine.
#[derive(Debug)]
pub(crate) struct Firewall<'a> {
    state: &'a State,
    table: &'a str,
    pub(crate) socket: Lent<'a>,
}

impl<'a> Firewall<'a> {
    pub(crate) fn open(state: &'a State, table: &'a str, kept: &'a Kept) -> Result<Self> {
        let socket = match kept.lend(Subject::Netfilter) {
            Err(Error::System(error)) if error.errno() == Some(Errno::PROTONOSUPPORT) => {
                return Err(Error::NoPacketFilter(Errno::PROTONOSUPPORT.into()));
            }
            other => other?,
        };
        Ok(Self { state, table, socket })
    }

    /// Returns what the tables are to look like.
    pub(crate) fn tables(&self) -> [Table; 2] {
        [packet_table(self.table), sender_table(self.table)]
    }

    /// Adds elements; those that are there already may have other values. Makes the tables where they are missing.
    ///
    /// What is added must have been written down in the state before: then whoever makes the tables anew at the same
    /// time has it too.
    pub(crate) fn add(&self, mut elements: Vec<Element>) -> Result<()> {
        sort(&mut elements);
        let refusal = {
            let _shared = Lock::shared(self.state.directory()?, LOCK)?;
            self.try_add(&elements)?
        };
        match refusal {
            None => Ok(()),
            Some(refusal) if refusal.errno == Errno::NOENT => self.rebuild(&elements),
            Some(refusal) => Err(refusal.into()),
        }
    }

    /// Adds elements under the lock. Returns the refusal if there is no such table or set.
    fn try_add(&self, elements: &[Element]) -> Result<Option<Refusal>> {
        let mut batch = Batch::new();
        change_elements(&mut batch, Operation::Add, self.table, elements);
        for _ in 0..ATTEMPTS {
            match self.send(batch)?.into_iter().next() {
                // The same key with another value: what a killed predecessor has left.
                Some(refusal) if matches!(refusal.errno, Errno::EXIST | Errno::BUSY) => {
                    batch = Batch::new();
                    let stale = self.stale(elements)?;
                    change_elements(&mut batch, Operation::Remove, self.table, &stale);
                    change_elements(&mut batch, Operation::Add, self.table, elements);
                }
                // One of the stale ones has gone meanwhile.
                Some(refusal) if refusal.errno == Errno::NOENT && refusal.index > 0 => {
                    batch = Batch::new();
                    change_elements(&mut batch, Operation::Add, self.table, elements);
                }
                other => return Ok(other),
            }
        }
        Err(Error::Contended(format!("firewall table {}", self.table)))
    }

    /// Finds those whose key is in the kernel with another value.
    fn stale(&self, elements: &[Element]) -> Result<Vec<Element>> {
        let mut stale = Vec::new();
        for group in elements.chunk_by(|one, other| (one.family, one.set) == (other.family, other.set)) {
            let Some(first) = group.first().filter(|first| !first.value.is_empty()) else { continue };
            let held = list_elements(&self.socket, first.family, self.table, first.set)?;
            let differs = |element: &&Element| {
                held.iter().any(|(key, value)| *key == element.key && *value != element.value)
            };
            stale.extend(group.iter().filter(differs).cloned());
        }
        Ok(stale)
    }

    /// Removes elements; those that are gone are fine.
    pub(crate) fn remove(&self, mut elements: Vec<Element>) -> Result<()> {
        sort(&mut elements);
        let _shared = Lock::shared(self.state.directory()?, LOCK)?;
        self.remove_locked(elements)
    }

    fn remove_locked(&self, mut elements: Vec<Element>) -> Result<()> {
        let mut batch = Batch::new();
        change_elements(&mut batch, Operation::Remove, self.table, &elements);
        for _ in 0..ATTEMPTS {
            let refusals = self.send(batch)?;
            if refusals.is_empty() {
                return Ok(());
            }
            if let Some(refusal) = refusals.iter().find(|refusal| refusal.errno != Errno::NOENT) {
                return Err(refusal.clone().into());
            }
            // A transaction fails as a whole, and DESTROYSETELEM, which does not mind, is of Linux 6.3: ask for each one
            // apart, and go on without those that are missing.
            batch = Batch::new();
            change_elements_one_by_one(&mut batch, Operation::Remove, self.table, &elements);
            let missing = self.send(batch)?;
            if missing.is_empty() {
                return Ok(());
            }
            let mut index = 0;
            elements.retain(|_| {
                index += 1;
                !missing.iter().any(|refusal| refusal.index + 1 == index)
            });
            batch = Batch::new();
            change_elements(&mut batch, Operation::Remove, self.table, &elements);
        }
        Err(Error::Contended(format!("firewall table {}", self.table)))
    }

    /// Makes the tables anew with all that the state says and some more, in one transaction: at no time is anything
    /// open or closed that should not be. Does nothing but add if somebody else has done so meanwhile.
    pub(crate) fn rebuild(&self, extra: &[Element]) -> Result<()> {
        let _alone = Lock::exclusive(self.state.directory()?, LOCK)?;
        if self.is_whole()? && self.try_add(extra)?.is_none() {
            return Ok(());
        }
        self.replace(extra)
    }

    /// Makes the tables anew with all that the state says.
    pub(crate) fn rebuild_all(&self) -> Result<()> {
        let _alone = Lock::exclusive(self.state.directory()?, LOCK)?;
        self.replace(&[])
    }

    fn replace(&self, extra: &[Element]) -> Result<()> {
        let mut elements = self.elements()?;
        elements.extend_from_slice(extra);
        sort(&mut elements);
        // Two containers may claim to have the same port after a kill; the last to be written down has it.
        elements
            .dedup_by(|one, other| (one.family, one.set, &one.key) == (other.family, other.set, &other.key));
        let mut batch = Batch::new();
        for table in self.tables() {
            replace_table(&mut batch, &table);
        }
        change_elements(&mut batch, Operation::Add, self.table, &elements);
        match self.send(batch)?.into_iter().next() {
            None => Ok(()),
            Some(refusal) => Err(refusal.into()),
        }
    }

    /// Returns what the state says that the tables hold.
    pub(crate) fn elements(&self) -> Result<Vec<Element>> {
        let mut found = Vec::new();
        // The firewall's own socket knows of no interfaces.
        let host = crate::socket::Socket::open(Subject::Route)?;
        for rules in self.state.bridges()? {
            let joined = crate::join::bridges_of(&host, &rules.bridge)?;
            found.extend(elements::of_bridge(&rules, &joined));
        }
        for network_id in self.state.networks()? {
            for endpoint in self.state.endpoints(&network_id)? {
                found.extend(crate::connect::endpoint_elements(&endpoint));
            }
        }
        for container_id in self.state.containers()? {
            found.extend(self.state.ports_of(&container_id)?.iter().filter_map(elements::of_port));
        }
        Ok(found)
    }

    /// Whether both tables have all their rules, in order.
    pub(crate) fn is_whole(&self) -> Result<bool> {
        for table in self.tables() {
            let listed = list_rules(&self.socket, table.family, &table.name, None)?;
            for chain in &table.chains {
                let held = listed.iter().filter(|rule| rule.chain == chain.name);
                let held: Vec<Option<&str>> = held.map(|rule| rule.comment.as_deref()).collect();
                let wanted: Vec<Option<&str>> = chain.rules.iter().map(|rule| Some(rule.comment)).collect();
                if held != wanted {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Removes elements, and the tables when no bridge is left.
    pub(crate) fn remove_bridge(&self, mut elements: Vec<Element>) -> Result<bool> {
        let _alone = Lock::exclusive(self.state.directory()?, LOCK)?;
        sort(&mut elements);
        self.remove_locked(elements)?;
        if !self.bridges()?.is_empty() {
            return Ok(false);
        }
        for table in self.tables() {
            let mut batch = Batch::new();
            nft::delete_table(&mut batch, table.family, &table.name);
            match self.send(batch)?.into_iter().next() {
                Some(refusal) if refusal.errno != Errno::NOENT => return Err(refusal.into()),
                _ => {}
            }
        }
        Ok(true)
    }

    /// Lists the bridges that the tables know.
    pub(crate) fn bridges(&self) -> Result<Vec<String>> {
        let listed = list_elements(&self.socket, nft::Family::Inet, self.table, crate::tables::BRIDGES)?;
        let mut names: Vec<String> = listed.iter().map(|(key, _)| elements::interface_of(key)).collect();
        names.sort();
        Ok(names)
    }

    fn send(&self, batch: Batch) -> Result<Vec<Refusal>> {
        let refusals = self.socket.send(batch)?;
        match refusals.first() {
            Some(refusal) if refusal.errno == Errno::OPNOTSUPP => {
                Err(Error::NoPacketFilter(refusal.errno.into()))
            }
            _ => Ok(refusals),
        }
    }
}

fn sort(elements: &mut Vec<Element>) {
    elements.sort();
    elements.dedup();
}
