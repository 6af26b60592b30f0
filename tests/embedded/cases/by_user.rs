//! The jobs whose reduce depends on the order of values: sessions and the join.

use std::collections::BTreeMap;

use super::{Case, files, line, same};
use crate::jobs::join_orders::JoinOrders;
use crate::jobs::sessions::Sessions;
use crate::random::Random;
use crate::trial::{InputFile, Ran, Result};

fn text_lines(file: &InputFile) -> impl Iterator<Item = &str> {
    str::from_utf8(&file.bytes).unwrap_or_default().lines()
}

pub(crate) struct SessionsCase;

impl Case for SessionsCase {
    type Job = Sessions;
    const FLAGS: &'static [&'static str] = &["--gap", "2m"];

    fn input(random: &mut Random, records: usize) -> Vec<(u32, String, Vec<u8>)> {
        let users = records as u64 / 40 + 2;
        let visit = |_| {
            let (user, time) = (random.below(users), random.below(3000));
            line(format!("u{user}\t{time}\t/page/{}", random.below(9)))
        };
        files(0, "", 2, &(0..records).map(visit).collect::<Vec<_>>())
    }

    fn answer(files: &[InputFile]) -> Vec<Vec<u8>> {
        let mut visits: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        for mut fields in files.iter().flat_map(text_lines).map(|line| line.split('\t')) {
            let (user, time) =
                (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
            visits.entry(user).or_default().push(time.parse().unwrap_or_default());
        }
        let mut answer = Vec::new();
        for (user, times) in &mut visits {
            times.sort_unstable();
            for session in times.chunk_by(|a, b| b - a <= 120) {
                let (start, seconds) = (session[0], session[session.len() - 1] - session[0]);
                answer.push(line(format!("{user}\t{start}\t{}\t{seconds}", session.len())));
            }
        }
        answer
    }
}

pub(crate) struct JoinCase;

/// Item and price of each user's orders.
type Orders = BTreeMap<String, Vec<(String, u64)>>;

/// Returns the users by id, and for each id its orders in input order.
fn joined(files: &[InputFile]) -> (BTreeMap<&str, &str>, Orders) {
    let (users, orders): (Vec<_>, Vec<_>) = files.iter().partition(|file| file.source == 0);
    let users = users.into_iter().flat_map(text_lines).filter_map(|line| line.split_once('\t'));
    let mut by_user: BTreeMap<String, Vec<(String, u64)>> = BTreeMap::new();
    for order in orders.into_iter().flat_map(text_lines) {
        let order: serde_json::Value = serde_json::from_str(order).unwrap_or_default();
        let text = |name: &str| order[name].as_str().unwrap_or_default().to_string();
        by_user
            .entry(text("user"))
            .or_default()
            .push((text("item"), order["cents"].as_u64().unwrap_or_default()));
    }
    (users.collect(), by_user)
}

impl Case for JoinCase {
    type Job = JoinOrders;

    /// A third of the users have no order, and a third of the ids in orders belong to no user.
    fn input(random: &mut Random, records: usize) -> Vec<(u32, String, Vec<u8>)> {
        let ids = records as u64 / 5 + 3;
        let users: Vec<_> = (0..ids).map(|id| line(format!("u{id}\tName {id}"))).collect();
        let order = |_| {
            let (id, cents) = (ids / 3 + random.below(ids), random.below(10_000));
            line(format!(
                r#"{{"item":"item \u00e4 {}","user":"u{id}","cents":{cents}}}"#,
                random.below(99)
            ))
        };
        let orders: Vec<_> = (0..records).map(order).collect();
        let (mut users, orders) = (files(0, "users-", 2, &users), files(1, "orders-", 2, &orders));
        // All orders come before some of the users.
        users.splice(1..1, orders);
        users
    }

    fn answer(files: &[InputFile]) -> Vec<Vec<u8>> {
        let (users, orders) = joined(files);
        let of_users =
            orders.iter().filter_map(|(id, orders)| Some((id, users.get(id.as_str())?, orders)));
        let row = |(id, name, orders)| -> Vec<Vec<u8>> {
            let orders: &Vec<(String, u64)> = orders;
            orders
                .iter()
                .map(|(item, cents)| line(format!("{id}\t{name}\t{item}\t{cents}")))
                .collect()
        };
        of_users.flat_map(row).collect()
    }

    fn check_sides(files: &[InputFile], ran: &Ran) -> Result {
        let (users, orders) = joined(files);
        let of_nobody = orders.iter().filter(|(id, _)| !users.contains_key(id.as_str()));
        let rows = of_nobody.flat_map(|(id, orders)| orders.iter().map(move |order| (id, order)));
        let mut expected: Vec<_> =
            rows.map(|(id, (item, cents))| format!("{id}\t{item}\t{cents}")).collect();
        let mut found = ran.lines("orphans-");
        let counted = ran.outcome.counters.get("join-orders", "orders without a user");
        if counted != expected.len() as u64 {
            return Err(format!("counted {counted} orphans instead of {}", expected.len()).into());
        }
        found.sort_unstable();
        expected.sort_unstable();
        same(found, expected)
    }
}
