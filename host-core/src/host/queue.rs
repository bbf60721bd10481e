//! Which work is next. Pure data structures: no clock, no process, no channel.

use std::collections::VecDeque;

/// How urgent preparing an artifact is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum PreparePriority {
    /// Prechecks, heads-ups, backing.
    Normal,
    /// Approvals and disputes wait for it: these decide finality.
    Critical,
}

impl PreparePriority {
    pub(crate) const ALL: [Self; 2] = [Self::Normal, Self::Critical];

    /// The name in metrics and traces.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Critical => "critical",
        }
    }
}

/// Artifacts that wait to be prepared, first come first served within a priority.
#[derive(Debug)]
pub(crate) struct PrepareQueue<K, T> {
    normal: VecDeque<(K, T)>,
    critical: VecDeque<(K, T)>,
    /// As many may run at once.
    soft_cap: usize,
    /// Critical ones may use this many.
    hard_cap: usize,
}

impl<K: PartialEq, T> PrepareQueue<K, T> {
    /// A queue for at least one worker. A hard cap below the soft cap is taken as equal to it.
    pub(crate) fn new(soft_cap: usize, hard_cap: usize) -> Self {
        let soft_cap = soft_cap.max(1);
        let hard_cap = hard_cap.max(soft_cap);
        Self { normal: VecDeque::new(), critical: VecDeque::new(), soft_cap, hard_cap }
    }

    pub(crate) fn push(&mut self, key: K, item: T, priority: PreparePriority) {
        match priority {
            PreparePriority::Normal => self.normal.push_back((key, item)),
            PreparePriority::Critical => self.critical.push_back((key, item)),
        }
    }

    /// Makes a waiting item critical. Priorities are never lowered.
    pub(crate) fn raise(&mut self, key: &K) {
        if let Some(at) = self.normal.iter().position(|(k, _)| k == key) {
            self.critical.extend(self.normal.remove(at));
        }
    }

    /// Takes an item out that is no longer wanted.
    pub(crate) fn remove(&mut self, key: &K) -> Option<T> {
        [&mut self.normal, &mut self.critical].into_iter().find_map(|queue| {
            let at = queue.iter().position(|(k, _)| k == key)?;
            queue.remove(at).map(|(_, item)| item)
        })
    }

    /// The next item that may start while `running` others run.
    pub(crate) fn pop(&mut self, running: usize) -> Option<(K, T)> {
        if running < self.hard_cap
            && let Some(item) = self.critical.pop_front()
        {
            return Some(item);
        }
        if running < self.soft_cap { self.normal.pop_front() } else { None }
    }

    /// How many items wait with this priority.
    pub(crate) fn len(&self, priority: PreparePriority) -> usize {
        match priority {
            PreparePriority::Normal => self.normal.len(),
            PreparePriority::Critical => self.critical.len(),
        }
    }

    /// How many workers are worth keeping when there is nothing to do.
    pub(crate) fn soft_cap(&self) -> usize {
        self.soft_cap
    }
}

/// The classes of execution, most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExecuteClass {
    Dispute,
    Approval,
    BackingSystemParas,
    Backing,
}

impl ExecuteClass {
    pub(crate) const ALL: [Self; 4] =
        [Self::Dispute, Self::Approval, Self::BackingSystemParas, Self::Backing];

    /// The name in metrics and traces.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Dispute => "dispute",
            Self::Approval => "approval",
            Self::BackingSystemParas => "backing_system_paras",
            Self::Backing => "backing",
        }
    }

    /// The share, in percent, that a class may take of what it and the less urgent ones together
    /// were given.
    fn share(self) -> usize {
        match self {
            Self::Dispute => 70,
            Self::Approval => 80,
            Self::BackingSystemParas | Self::Backing => 100,
        }
    }
}

/// Executions that wait for a worker, by class.
///
/// Slots are given out in windows of [`WINDOW`](Self::WINDOW). Within one, a class steps back once it
/// has used up its share, and every class that has something waiting gets a slot before the window
/// ends, so that none is starved.
#[derive(Debug)]
pub(crate) struct ExecuteQueue<T> {
    waiting: [VecDeque<T>; 4],
    given: [usize; 4],
}

impl<T> ExecuteQueue<T> {
    /// As many as a relay chain's block leaves time for on the reference hardware.
    const WINDOW: usize = 12;

    pub(crate) fn new() -> Self {
        Self { waiting: Default::default(), given: [0; 4] }
    }

    pub(crate) fn push(&mut self, item: T, class: ExecuteClass) {
        self.waiting[class as usize].push_back(item);
    }

    /// The next item.
    pub(crate) fn pop(&mut self) -> Option<T> {
        let class = self.next_class()?;
        let item = self.waiting[class as usize].pop_front();
        self.given[class as usize] += 1;
        if self.given.iter().sum::<usize>() == Self::WINDOW {
            self.given = [0; 4];
        }
        item
    }

    /// Takes out every item that is no longer wanted.
    pub(crate) fn remove(&mut self, mut unwanted: impl FnMut(&T) -> bool) {
        for queue in &mut self.waiting {
            queue.retain(|item| !unwanted(item));
        }
    }

    /// How many items of a class wait.
    pub(crate) fn len(&self, class: ExecuteClass) -> usize {
        self.waiting[class as usize].len()
    }

    fn next_class(&self) -> Option<ExecuteClass> {
        let present = || {
            ExecuteClass::ALL.into_iter().filter(|class| !self.waiting[*class as usize].is_empty())
        };
        let unserved = || present().filter(|class| self.given[*class as usize] == 0);
        let slots_left = Self::WINDOW - self.given.iter().sum::<usize>();
        if unserved().count() >= slots_left {
            return unserved().next();
        }
        present().find(|class| !self.has_used_its_share(*class)).or_else(|| present().next())
    }

    fn has_used_its_share(&self, class: ExecuteClass) -> bool {
        let given = self.given[class as usize];
        let at_or_below: usize = self.given[class as usize..].iter().sum();
        at_or_below > 0 && given * 100 / at_or_below >= class.share()
    }
}

#[cfg(test)]
mod tests {
    use super::{ExecuteClass::*, *};

    #[test]
    fn normal_preparations_stop_at_the_soft_cap_and_critical_ones_at_the_hard_cap() {
        let mut queue = PrepareQueue::new(1, 2);
        queue.push("a", 1, PreparePriority::Normal);
        queue.push("b", 2, PreparePriority::Critical);
        queue.push("c", 3, PreparePriority::Critical);
        assert_eq!(queue.pop(0), Some(("b", 2)));
        assert_eq!(queue.pop(1), Some(("c", 3)));
        assert_eq!(queue.pop(1), None);
        queue.push("d", 4, PreparePriority::Critical);
        assert_eq!(queue.pop(2), None);
        assert_eq!(queue.pop(0), Some(("d", 4)));
        assert_eq!(queue.pop(0), Some(("a", 1)));
        assert_eq!(queue.pop(0), None);
    }

    #[test]
    fn a_raised_preparation_overtakes_and_never_falls_back() {
        let mut queue = PrepareQueue::new(1, 1);
        for key in ["a", "b", "c"] {
            queue.push(key, (), PreparePriority::Normal);
        }
        queue.raise(&"c");
        queue.raise(&"c");
        queue.raise(&"absent");
        let order: Vec<_> = std::iter::from_fn(|| queue.pop(0)).map(|(key, ())| key).collect();
        assert_eq!(order, ["c", "a", "b"]);
    }

    #[test]
    fn a_removed_preparation_is_gone_from_either_queue() {
        let mut queue = PrepareQueue::new(1, 1);
        queue.push("a", 1, PreparePriority::Normal);
        queue.push("b", 2, PreparePriority::Critical);
        assert_eq!(
            (queue.remove(&"a"), queue.remove(&"b"), queue.remove(&"a")),
            (Some(1), Some(2), None)
        );
        assert_eq!(queue.pop(0), None);
    }

    fn filled(classes: &[ExecuteClass]) -> ExecuteQueue<ExecuteClass> {
        let mut queue = ExecuteQueue::new();
        for class in classes {
            for _ in 0..100 {
                queue.push(*class, *class);
            }
        }
        queue
    }

    fn window(queue: &mut ExecuteQueue<ExecuteClass>) -> [usize; 4] {
        let mut counts = [0; 4];
        for _ in 0..12 {
            counts[queue.pop().unwrap() as usize] += 1;
        }
        counts
    }

    #[test]
    fn with_all_classes_present_each_gets_its_share_of_a_window_and_at_least_one_slot() {
        let mut queue = filled(&ExecuteClass::ALL);
        assert_eq!(window(&mut queue), [7, 3, 1, 1]);
        assert_eq!(window(&mut queue), [7, 3, 1, 1]);
    }

    #[test]
    fn a_class_alone_gets_everything() {
        for class in ExecuteClass::ALL {
            let mut queue = filled(&[class]);
            assert_eq!(window(&mut queue)[class as usize], 12);
        }
    }

    #[test]
    fn no_set_of_classes_starves_one_of_them() {
        for set in 1..16 {
            let present: Vec<_> =
                ExecuteClass::ALL.into_iter().filter(|c| set & (1 << *c as usize) != 0).collect();
            let mut queue = filled(&present);
            for _ in 0..5 {
                let counts = window(&mut queue);
                assert!(
                    present.iter().all(|class| counts[*class as usize] > 0),
                    "{present:?} {counts:?}"
                );
            }
        }
    }

    #[test]
    fn without_disputes_approvals_take_most_and_leave_the_rest_to_backing() {
        let counts = window(&mut filled(&[Approval, BackingSystemParas, Backing]));
        assert!(counts[1] >= 9 && counts[2] >= 1 && counts[3] >= 1, "{counts:?}");
    }

    #[test]
    fn items_of_a_class_keep_their_order_and_can_be_taken_out() {
        let mut queue = ExecuteQueue::new();
        for n in 0..4 {
            queue.push(n, Backing);
        }
        queue.remove(|n| *n == 1);
        assert_eq!(std::iter::from_fn(|| queue.pop()).collect::<Vec<_>>(), [0, 2, 3]);
    }
}
