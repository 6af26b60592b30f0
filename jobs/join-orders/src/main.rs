//! Joins orders with the users who made them. The two inputs have different formats, and the map handles both.
//!
//! ```text
//! $ cat users.tsv                       # id, name
//! u1      Ann
//! u2      Bob
//! $ cat orders.jsonl
//! {"user":"u1","item":"lamp","cents":2900}
//! {"user":"u7","item":"book","cents":1200}
//! {"user":"u1","item":"desk","cents":9900}
//! $ join-orders users=users.tsv orders=orders.jsonl -o out
//! $ cat out/part-*                      # id, name, item, cents
//! u1      Ann     lamp    2900
//! u1      Ann     desk    9900
//! $ cat out/orphans-*                   # orders without a user: id, item, cents
//! u7      book    1200
//! ```
//!
//! The second half of the key sorts a user before that user's orders, so the reduce need not keep orders in memory.

use gristmill::prelude::*;

/// Joins orders with the users who made them.
#[derive(Args, Serialize, Deserialize)]
pub struct JoinOrders {}

/// An order as in the input.
#[derive(Deserialize)]
pub struct Order {
    user: TextBuf,
    item: TextBuf,
    cents: u64,
}

/// A row of the join: a user or an order.
#[derive(Serialize, Deserialize)]
pub enum Row<'a> {
    /// The user with this id.
    User(#[serde(borrow)] &'a Text),
    /// An order: item and price in cents.
    Order(#[serde(borrow)] &'a Text, u64),
}

/// Orders without a user.
const ORPHANS: Side<Tsv> = Side::new("orphans");
const ORPHANS_FOUND: Counter = Counter::new("join-orders", "orders without a user");

impl Job for JoinOrders {
    type Input = Either<Lines, JsonLines<Order>>;
    type Key<'a> = Grouped<&'a Text, u8>;
    type Value<'a> = Row<'a>;
    type Output = Tsv;

    const INPUTS: &'static [&'static str] = &["users", "orders"];

    fn map(&self, record: Either<&Text, Order>, out: &mut Emitter<Self>) -> Result {
        match record {
            Either::Left(user) => {
                let (id, name) = user
                    .split_once(b'\t')
                    .ok_or("a line of the input `users` must contain an id, a tab and a name")?;
                out.emit(Grouped { group: id, order: 0 }, Row::User(name))
            }
            Either::Right(Order { user, item, cents }) => {
                out.emit(Grouped { group: &user, order: 1 }, Row::Order(&item, cents))
            }
        }
    }

    fn reduce(&self, id: &Text, mut rows: Values<Self>, out: &mut Writer<Tsv>) -> Result {
        let mut user: Option<TextBuf> = None;
        while let Some(row) = rows.next()? {
            match (row, &user) {
                (Row::User(name), None) => user = Some(name.to_owned()),
                (Row::User(_), Some(_)) => return Err(format!("two users have the id {id}").into()),
                (Row::Order(item, cents), Some(name)) => out.write((id, name, item, cents))?,
                (Row::Order(item, cents), None) => {
                    out.count(ORPHANS_FOUND, 1);
                    out.side(ORPHANS)?.write((id, item, cents))?;
                }
            }
        }
        Ok(())
    }
}

fn main() -> ExitCode {
    gristmill::launch::<JoinOrders>()
}
