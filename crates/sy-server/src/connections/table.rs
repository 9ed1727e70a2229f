//! How many connections there are, of whom, and which one goes when there is no room.
//!
//! Asked for each new connection. The one that has been without a request for longest goes; where all are at work, the new
//! one is refused.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sy_access::network;
use tokio::sync::Notify;

use super::activity::Activity;

/// How many connections there may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) max: usize,
    pub(super) per_address: usize,
}

/// The open connections.
#[derive(Clone, Debug)]
pub(super) struct Table {
    room: Room,
    rows: Arc<Mutex<Rows>>,
}

#[derive(Debug, Default)]
struct Rows {
    next: u64,
    connections: HashMap<u64, Row>,
    addresses: HashMap<IpAddr, usize>,
}

#[derive(Debug)]
struct Row {
    address: IpAddr,
    activity: Arc<Activity>,
    dismissal: Arc<Notify>,
}

/// A connection's row; dropping it makes room.
#[derive(Debug)]
pub(super) struct Entry {
    table: Table,
    id: u64,
    activity: Arc<Activity>,
    dismissal: Arc<Notify>,
}

impl Table {
    pub(super) fn new(room: Room) -> Self {
        Self { room, rows: Arc::default() }
    }

    pub(super) fn room(&self) -> Room {
        self.room
    }

    /// Takes a connection in, for which an idle one may have to go; `None` when there is no room.
    pub(super) fn enter(&self, peer: IpAddr, activity: &Arc<Activity>) -> Option<Entry> {
        let address = network(peer);
        let mut rows = self.rows();

        let of_address = rows.addresses.get(&address).copied().unwrap_or(0);
        if of_address >= self.room.per_address {
            rows.dismiss(|row| row.address == address)?;
        }
        if rows.connections.len() >= self.room.max {
            rows.dismiss(|_| true)?;
        }

        let id = rows.next;
        rows.next += 1;
        let dismissal = Arc::new(Notify::new());
        *rows.addresses.entry(address).or_default() += 1;
        let row =
            Row { address, activity: Arc::clone(activity), dismissal: Arc::clone(&dismissal) };
        rows.connections.insert(id, row);
        Some(Entry { table: self.clone(), id, activity: Arc::clone(activity), dismissal })
    }

    /// Ends the connection that has been idle for longest, if one is.
    pub(super) fn dismiss_idle(&self) {
        self.rows().dismiss(|_| true);
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rows {
    /// Takes the row of the longest idle connection out and tells the connection to go.
    fn dismiss(&mut self, is_candidate: impl Fn(&Row) -> bool) -> Option<()> {
        let idle = self.connections.iter().filter(|(_, row)| is_candidate(row));
        let idle = idle.filter_map(|(id, row)| Some((row.activity.idle_since()?, *id)));
        let (_, id) = idle.min()?;
        // It no longer counts: until its file is closed, there is the reserve.
        let row = self.remove(id)?;
        row.dismissal.notify_one();
        Some(())
    }

    fn remove(&mut self, id: u64) -> Option<Row> {
        let row = self.connections.remove(&id)?;
        if let Some(count) = self.addresses.get_mut(&row.address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.addresses.remove(&row.address);
            }
        }
        Some(row)
    }
}

impl Entry {
    pub(super) fn activity(&self) -> &Activity {
        &self.activity
    }

    /// Completes when the connection must make room for another one.
    pub(super) async fn dismissed(&self) {
        self.dismissal.notified().await;
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.table.rows().remove(self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::sync::Arc;
    use std::time::Duration;

    use futures::FutureExt;

    use super::{Activity, Entry, Room, Table};

    fn enter(table: &Table, peer: &str) -> Option<Entry> {
        table.enter(peer.parse::<IpAddr>().unwrap(), &Arc::new(Activity::new()))
    }

    fn works(entry: &Entry) {
        entry.activity().request(http::Version::HTTP_11, true);
    }

    fn is_dismissed(entry: &Entry) -> bool {
        entry.dismissed().now_or_never().is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_idle_connection_makes_room() {
        let table = Table::new(Room { max: 2, per_address: 2 });
        let first = enter(&table, "192.0.2.1").unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
        let second = enter(&table, "192.0.2.2").unwrap();
        let third = enter(&table, "192.0.2.3").unwrap();
        assert_eq!((is_dismissed(&first), is_dismissed(&second)), (true, false));

        works(&second);
        works(&third);
        assert!(enter(&table, "192.0.2.4").is_none());
        // The one that had to go does not count a second time.
        drop(first);
        assert!(enter(&table, "192.0.2.4").is_none());
        drop(second);
        assert!(enter(&table, "192.0.2.4").is_some());
    }

    #[tokio::test]
    async fn one_address_takes_room_from_itself_only() {
        let table = Table::new(Room { max: 9, per_address: 1 });
        let other = enter(&table, "192.0.2.1").unwrap();
        let first = enter(&table, "2001:db8::1").unwrap();
        let second = enter(&table, "2001:db8::2").unwrap();
        assert_eq!((is_dismissed(&first), is_dismissed(&other)), (true, false));
        works(&second);
        assert!(enter(&table, "2001:db8::3").is_none());
        assert!(enter(&table, "2001:db8:0:1::3").is_some());
    }
}
