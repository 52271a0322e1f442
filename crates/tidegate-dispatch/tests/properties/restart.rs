//! The process is killed at any point, and goes on from the parts that were stored last.

use proptest::prelude::*;
use tidegate_dispatch::Dispatcher;

use crate::run::{ROUTES, Run, day, plan, routes};

/// What befalls the process after an event.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    GoesOn,
    Keeps,
    IsKilled,
    KeepsAndIsKilled,
}

fn fates() -> impl Strategy<Value = Vec<Fate>> {
    let fate = prop_oneof![
        2 => Just(Fate::GoesOn),
        2 => Just(Fate::Keeps),
        1 => Just(Fate::IsKilled),
        2 => Just(Fate::KeepsAndIsKilled),
    ];
    prop::collection::vec(fate, 40)
}

proptest! {
    /// Killed at any point, it goes on from the parts that were stored last as if nothing had
    /// happened: the same notices with the same ids. The laws hold after every event.
    #[test]
    fn a_restart_changes_nothing(day in day(), routes in routes(), fates in fates()) {
        let (mut whole, mut cut) = (Run::new(&routes), Run::new(&routes));
        for ((gap, event), fate) in day.iter().zip(&fates) {
            whole.play(*gap, event);
            cut.play(*gap, event);
            if matches!(fate, Fate::Keeps | Fate::KeepsAndIsKilled) {
                cut.keep();
            }
            if matches!(fate, Fate::IsKilled | Fate::KeepsAndIsKilled) {
                cut.kill();
            }
            whole.check_laws();
            prop_assert_eq!(&whole.notices, &cut.notices);
            prop_assert_eq!(whole.dispatcher.state(), cut.dispatcher.state());
        }
        cut.keep();
        cut.kill();
        whole.wait(20_000);
        cut.wait(20_000);
        prop_assert_eq!(&whole.notices, &cut.notices);
        prop_assert_eq!(whole.dispatcher.state(), cut.dispatcher.state());
    }

    /// A restart with other routes gives the same from parts as from the whole.
    #[test]
    fn parts_outlive_other_routes(day in day(), later in day(), fates in fates()) {
        let (mut whole, mut cut) = (Run::new(ROUTES), Run::new(ROUTES));
        for ((gap, event), fate) in day.iter().zip(&fates) {
            whole.play(*gap, event);
            cut.play(*gap, event);
            if *fate != Fate::GoesOn {
                cut.keep();
            }
        }
        cut.keep();
        let other = "[[route]]\nname = 'default'\nchannels = ['mail']\ngroup_by = []";
        whole.replan(other);
        let parts = cut.kept.parts.clone();
        cut.dispatcher = Dispatcher::restore_parts(plan(other), parts).expect("it is valid");
        prop_assert_eq!(whole.dispatcher.state(), cut.dispatcher.state());
        for ((gap, event), fate) in later.iter().zip(&fates) {
            whole.play(*gap, event);
            cut.play(*gap, event);
            if *fate != Fate::GoesOn {
                cut.keep();
            }
            prop_assert_eq!(&whole.notices, &cut.notices);
        }
    }
}
