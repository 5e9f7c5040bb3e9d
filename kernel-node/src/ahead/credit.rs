//! How much may be made ahead of a task: as much as it has come past. Pure.

use std::collections::VecDeque;

use kernel_core::TaskId;

use super::front::AHEAD_BYTES_MAX;

/// Bytes that may be made ahead of a task. What is taken of it comes back when the task has come past that, and as much again.
#[derive(Default, PartialEq, Eq, Debug)]
pub struct Credit(u64);

impl Credit {
    /// The task has filled so many bytes of its own, and come past so many that were made ahead of it.
    pub fn earn(&mut self, filled: u64, passed: u64) {
        self.0 = (self.0 + filled + 2 * passed).min(CREDIT_MAX);
    }

    /// So much of it, at most `wanted` bytes, in whole units of `unit` bytes.
    pub fn take(&mut self, wanted: u64, unit: u64) -> u64 {
        let taken = wanted.min(self.0) / unit * unit;
        self.0 -= taken;
        taken
    }
}

/// Of the tasks that filled memory last.
#[derive(Default, Debug)]
pub struct Credits {
    /// Who did so last is last.
    tasks: VecDeque<(TaskId, Credit)>,
}

impl Credits {
    /// A task's. Who has been idle for longest loses his where there are too many.
    pub fn of(&mut self, task: TaskId) -> &mut Credit {
        let known = self.tasks.iter().position(|(other, _)| *other == task);
        let its = known.and_then(|at| self.tasks.remove(at)).unwrap_or((task, Credit::default()));
        if self.tasks.len() >= TASKS_MAX {
            self.tasks.pop_front();
        }
        self.tasks.push_back(its);
        &mut self.tasks.back_mut().expect("just pushed").1
    }
}

/// What a task has filled long ago does not count for ever.
const CREDIT_MAX: u64 = 4 * AHEAD_BYTES_MAX;
const TASKS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vm_large_3_what_was_taken_comes_back_twofold_when_the_task_has_come_past_it() {
        let mut credit = Credit::default();
        assert_eq!(credit.take(100, 10), 0);
        credit.earn(35, 0);
        assert_eq!([credit.take(100, 10), credit.take(100, 10), credit.take(100, 5)], [30, 0, 5]);
        credit.earn(0, 35);
        assert_eq!([credit.take(40, 10), credit.take(100, 10)], [40, 30]);
        credit.earn(u64::MAX / 4, u64::MAX / 4);
        assert_eq!(credit.take(u64::MAX, 1), CREDIT_MAX);
    }

    #[test]
    fn vm_large_4_of_too_many_tasks_the_idlest_is_forgotten() {
        let mut credits = Credits::default();
        let tasks = (0..=TASKS_MAX as u32).map(TaskId);
        tasks.clone().for_each(|task| {
            credits.of(task).earn(10, 0);
            credits.of(TaskId(0));
        });
        assert_eq!(credits.tasks.len(), TASKS_MAX);
        let left: Vec<u64> = [0, 2, 1].map(|n| credits.of(TaskId(n)).0).into();
        assert_eq!(left, [10, 10, 0]);
    }
}
