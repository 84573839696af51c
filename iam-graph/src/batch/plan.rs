//! Which operations travel together: a graph of dependencies into batches of at most twenty. Pure: it sends
//! nothing and reads no clock.
//!
//! A batch has one of the three forms that Graph documents (Microsoft Learn, "Known issues with Microsoft Graph",
//! "JSON batching"): *parallel*, *serial* (each request depends on the one before it), *same* (whoever depends on
//! anything depends on the same request). A full batch is parallel; room that is left is filled with what waits
//! for somebody on board. Everything else waits until its parents have succeeded, in whichever batch.
//!
//! Invariants: no operation is in two batches at once; none leaves before its parents have succeeded, unless with
//! its one missing parent before it in the same batch.

use std::collections::BTreeSet;

/// "A batch can hold up to 20 requests" (Microsoft Learn, "Combine multiple HTTP requests using JSON batching").
pub(super) const MOST: usize = 20;

/// An operation's place in a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) operation: usize,
    /// The operation that it depends on, which stands before it in the same batch.
    pub(super) after: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Waits for its parents.
    Blocked,
    Ready,
    /// In a batch, or held back by whoever runs the plan.
    Out,
    Succeeded,
    Failed,
}

#[derive(Debug)]
struct Node {
    parents: Vec<usize>,
    children: Vec<usize>,
    state: State,
    /// Must not share a batch.
    alone: bool,
}

/// The operations, by their place in the input, and how far each has come.
#[derive(Debug)]
pub(super) struct Planner {
    nodes: Vec<Node>,
    ready: BTreeSet<usize>,
}

impl Planner {
    /// `parents` of each operation, all of which stand before it, and whether it must travel alone.
    pub(super) fn new(operations: impl IntoIterator<Item = (Vec<usize>, bool)>) -> Self {
        let mut planner = Self {
            nodes: Vec::new(),
            ready: BTreeSet::new(),
        };
        for (place, (mut parents, alone)) in operations.into_iter().enumerate() {
            parents.sort_unstable();
            parents.dedup();
            parents.retain(|parent| *parent < place);
            for &parent in &parents {
                planner.nodes[parent].children.push(place);
            }
            planner.nodes.push(Node {
                parents,
                children: Vec::new(),
                state: State::Blocked,
                alone,
            });
            planner.requeue(place);
        }
        planner
    }

    /// The next batch, or nothing while everything is out or waits.
    pub(super) fn next(&mut self) -> Option<Vec<Placed>> {
        let first = *self.ready.first()?;
        let mut heads = vec![first];
        if !self.nodes[first].alone {
            let others = self.ready.iter().skip(1).copied();
            heads.extend(others.filter(|other| !self.nodes[*other].alone).take(MOST - 1));
        }
        let mut batch: Vec<Placed> = heads
            .iter()
            .map(|&operation| Placed {
                operation,
                after: None,
            })
            .collect();
        if !self.nodes[first].alone {
            batch.extend(self.followers(&heads, MOST - heads.len()));
        }
        for placed in &batch {
            self.ready.remove(&placed.operation);
            self.nodes[placed.operation].state = State::Out;
        }
        Some(batch)
    }

    /// It is done: what waited for it alone may leave.
    pub(super) fn succeed(&mut self, operation: usize) {
        self.ready.remove(&operation);
        self.nodes[operation].state = State::Succeeded;
        for at in 0..self.nodes[operation].children.len() {
            let child = self.nodes[operation].children[at];
            if self.nodes[child].state == State::Blocked {
                self.requeue(child);
            }
        }
    }

    /// It will not be done, and neither will what waits for it: those are returned.
    pub(super) fn fail(&mut self, operation: usize) -> Vec<usize> {
        self.ready.remove(&operation);
        self.nodes[operation].state = State::Failed;
        let mut dragged = Vec::new();
        let mut open = self.nodes[operation].children.clone();
        while let Some(child) = open.pop() {
            // Whoever is out has an answer of its own.
            if self.nodes[child].state == State::Blocked {
                self.nodes[child].state = State::Failed;
                dragged.push(child);
                open.extend(&self.nodes[child].children);
            }
        }
        dragged
    }

    /// It is to travel again as soon as its parents have succeeded. `false` when one of them has failed: then it
    /// stays where it is, and is to be failed.
    pub(super) fn requeue(&mut self, operation: usize) -> bool {
        let parents = &self.nodes[operation].parents;
        let mut states = parents.iter().map(|parent| self.nodes[*parent].state);
        if states.clone().any(|state| state == State::Failed) {
            return false;
        }
        let free = states.all(|state| state == State::Succeeded);
        self.nodes[operation].state = if free { State::Ready } else { State::Blocked };
        if free {
            self.ready.insert(operation);
        }
        true
    }

    /// What else can come along: the longest chain behind the only head, or the children of one head.
    fn followers(&self, heads: &[usize], room: usize) -> Vec<Placed> {
        let behind = |head: usize| {
            self.nodes[head]
                .children
                .iter()
                .copied()
                .filter(move |child| self.waits_only_for(*child, head))
        };
        let children = |head: usize| -> Vec<Placed> {
            behind(head)
                .take(room)
                .map(|operation| Placed {
                    operation,
                    after: Some(head),
                })
                .collect()
        };
        let same = heads.iter().map(|&head| children(head));
        // The first of the largest, so that plans do not depend on chance.
        let same = same.reduce(|best, next| if next.len() > best.len() { next } else { best });
        let same = same.unwrap_or_default();
        let [head] = heads else { return same };
        let mut serial = Vec::new();
        let mut last = *head;
        while serial.len() < room
            && let Some(operation) = behind(last).next()
        {
            serial.push(Placed {
                operation,
                after: Some(last),
            });
            last = operation;
        }
        if serial.len() > same.len() { serial } else { same }
    }

    fn waits_only_for(&self, child: usize, parent: usize) -> bool {
        let node = &self.nodes[child];
        let others = node.parents.iter().filter(|other| **other != parent);
        node.state == State::Blocked
            && !node.alone
            && others
                .map(|other| self.nodes[*other].state)
                .all(|state| state == State::Succeeded)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use proptest::prelude::*;

    fn planner(parents: &[&[usize]]) -> Planner {
        Planner::new(parents.iter().map(|parents| (parents.to_vec(), false)))
    }

    /// The batches, as `operation` or `operation<parent`, when everything succeeds at once.
    fn check(parents: &[&[usize]], expect: &[&str]) {
        let mut planner = planner(parents);
        let mut batches = Vec::new();
        while let Some(batch) = planner.next() {
            let shown = batch.iter().map(|placed| match placed.after {
                None => placed.operation.to_string(),
                Some(parent) => format!("{}<{parent}", placed.operation),
            });
            batches.push(shown.collect::<Vec<_>>().join(" "));
            for placed in batch {
                planner.succeed(placed.operation);
            }
        }
        assert_eq!(batches, expect);
    }

    #[test]
    fn batches_have_the_documented_forms() {
        check(&[], &[]);
        check(&[&[], &[], &[]], &["0 1 2"]);
        check(&[&[], &[0], &[1]], &["0 1<0 2<1"]); // serial
        check(&[&[], &[0], &[0], &[0]], &["0 1<0 2<0 3<0"]); // same
        check(&[&[], &[0], &[0], &[2]], &["0 1<0 2<0", "3"]); // neither in one batch
        check(&[&[], &[], &[0, 1], &[0]], &["0 1 3<0", "2"]); // two parents: never in one batch with both
        check(&[&[], &[], &[0], &[1]], &["0 1 2<0", "3"]);
        check(&[&[], &[0, 0]], &["0 1<0"]);
    }

    #[test]
    fn a_full_batch_is_parallel_and_the_rest_follows() {
        let mut parents: Vec<Vec<usize>> = (0..50).map(|_| Vec::new()).collect();
        parents.extend((0..50).map(|parent| vec![parent]));
        let mut planner = Planner::new(parents.into_iter().map(|parents| (parents, false)));
        let mut sizes = Vec::new();
        while let Some(batch) = planner.next() {
            sizes.push(batch.len());
            for placed in batch {
                planner.succeed(placed.operation);
            }
        }
        assert_eq!(sizes, [20; 5]);
    }

    #[test]
    fn a_failure_takes_its_descendants_along_and_nobody_else() {
        let mut planner = planner(&[&[], &[], &[0, 1], &[2], &[1]]);
        let first: Vec<usize> = planner
            .next()
            .unwrap()
            .iter()
            .map(|placed| placed.operation)
            .collect();
        assert_eq!(first, [0, 1, 4]);
        let mut dragged = planner.fail(0);
        dragged.sort_unstable();
        assert_eq!(dragged, [2, 3]);
        planner.succeed(1);
        planner.succeed(4);
        assert_eq!(planner.next(), None);
    }

    #[test]
    fn a_child_that_was_refused_with_its_parent_waits_for_it() {
        let mut planner = planner(&[&[], &[0]]);
        assert_eq!(planner.next().unwrap().len(), 2);
        assert!(planner.requeue(1)); // 424: its parent was throttled
        assert_eq!(planner.next(), None);
        assert!(planner.requeue(0));
        assert_eq!(planner.next().unwrap().len(), 2, "together again");
        planner.fail(0);
        assert!(!planner.requeue(1));
    }

    #[test]
    fn who_must_travel_alone_does() {
        let mut planner = Planner::new([(vec![], false), (vec![], true), (vec![0], true), (vec![], false)]);
        let mut batches = Vec::new();
        while let Some(batch) = planner.next() {
            let members: Vec<usize> = batch.iter().map(|placed| placed.operation).collect();
            for operation in &members {
                planner.succeed(*operation);
            }
            batches.push(members);
        }
        assert_eq!(batches, [vec![0, 3], vec![1], vec![2]]);
    }

    /// Operations with parents among those before them, and what befalls each attempt at each.
    fn any_work() -> impl Strategy<Value = (Vec<(Vec<usize>, bool)>, Vec<u8>)> {
        let operation = (
            prop::collection::vec(any::<prop::sample::Index>(), 0..3),
            prop::bool::weighted(0.05),
        );
        let work = prop::collection::vec(operation, 0..90).prop_map(|operations| {
            let placed = operations
                .into_iter()
                .enumerate()
                .map(|(place, (parents, alone))| {
                    let parents = parents
                        .iter()
                        .filter(|_| place > 0)
                        .map(|parent| parent.index(place.max(1)));
                    (parents.collect(), alone)
                });
            placed.collect()
        });
        (work, prop::collection::vec(0..10_u8, 1..64))
    }

    proptest! {
        #[test]
        fn everything_ends_exactly_once_in_order_and_in_form((work, fates) in any_work()) {
            let mut planner = Planner::new(work.clone());
            let mut fates = fates.iter().cycle();
            let mut ended: BTreeMap<usize, bool> = BTreeMap::new();
            let mut tries: BTreeMap<usize, u32> = BTreeMap::new();
            let mut out: Vec<Vec<Placed>> = Vec::new();
            loop {
                // Up to three batches are out at once, and land in any order.
                while out.len() < 3 && let Some(batch) = planner.next() {
                    prop_assert!((1..=MOST).contains(&batch.len()));
                    prop_assert!(batch.len() == 1 || batch.iter().all(|placed| !work[placed.operation].1));
                    let members: Vec<usize> = batch.iter().map(|placed| placed.operation).collect();
                    for (at, placed) in batch.iter().enumerate() {
                        prop_assert!(!ended.contains_key(&placed.operation), "ended, and sent again");
                        prop_assert!(out.iter().flatten().all(|other| other.operation != placed.operation));
                        prop_assert!(!members[..at].contains(&placed.operation));
                        for parent in &work[placed.operation].0 {
                            let aboard = placed.after == Some(*parent) && members[..at].contains(parent);
                            prop_assert!(aboard || ended.get(parent) == Some(&true), "before its parent");
                        }
                    }
                    let mut stated: Vec<usize> = batch.iter().filter_map(|placed| placed.after).collect();
                    let serial = batch.windows(2).all(|pair| pair[1].after == Some(pair[0].operation));
                    stated.sort_unstable();
                    stated.dedup();
                    prop_assert!(stated.len() <= 1 || serial, "neither parallel, serial nor same: {batch:?}");
                    out.push(batch);
                }
                if out.is_empty() {
                    break;
                }
                let fate = usize::from(*fates.next().unwrap());
                let landed = out.remove(fate % out.len());
                let mut undone: Vec<usize> = Vec::new();
                for placed in landed {
                    let operation = placed.operation;
                    let try_number = tries.entry(operation).or_default();
                    *try_number += 1;
                    let refused = placed.after.is_some_and(|parent| undone.contains(&parent));
                    let fate = if *try_number > 5 { 0 } else { *fates.next().unwrap() };
                    if refused || fate == 1 {
                        undone.push(operation);
                        if !planner.requeue(operation) {
                            prop_assert!(ended.insert(operation, false).is_none());
                            for dragged in planner.fail(operation) {
                                prop_assert!(ended.insert(dragged, false).is_none());
                            }
                        }
                    } else if fate == 2 {
                        undone.push(operation);
                        prop_assert!(ended.insert(operation, false).is_none());
                        for dragged in planner.fail(operation) {
                            prop_assert!(ended.insert(dragged, false).is_none());
                        }
                    } else {
                        planner.succeed(operation);
                        prop_assert!(ended.insert(operation, true).is_none());
                    }
                }
            }
            prop_assert_eq!(ended.len(), work.len());
            for (operation, done) in &ended {
                let parents = &work[*operation].0;
                prop_assert!(!done || parents.iter().all(|parent| ended[parent]));
            }
        }
    }
}
