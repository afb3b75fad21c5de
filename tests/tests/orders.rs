//! orders.rs - stop and go: an order given in the middle of a build leaves nothing alive, loses
//! nothing that was finished, never shows a stage online half-done, and going on completes.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

use tests::hold::Hold;
use tests::{World, await_true};

const PIPELINE: [&str; 6] =
    ["builder:illumos", "builder:pkg5", "builder:caiman", "merger", "imager", "builder/release"];

const ILLUMOS: &str = "application-builder:illumos";
const PKG5: &str = "application-builder:pkg5";

/// What the orders lead to while pkg5 is in the middle of its build.
enum Then {
    /// When the last command returns these are disabled, and nothing of the build is alive.
    OutAtOnce(&'static [&'static str]),
    /// They come to be disabled; then nothing of the build is alive.
    Out(&'static [&'static str]),
    /// The build goes on, or begins again.
    GoesOn,
    /// Not even the engine is there.
    Nothing,
}

struct Case {
    name: &'static str,
    orders: &'static [&'static str],
    then: Then,
    /// What makes it go again.
    again: &'static [&'static str],
}

const CASES: &[Case] = &[
    Case {
        name: "the switch, and wait",
        orders: &["svcadm disable -s builder/pipeline"],
        then: Then::OutAtOnce(&PIPELINE),
        again: &["svcadm enable builder/pipeline"],
    },
    Case {
        name: "the switch",
        orders: &["svcadm disable builder/pipeline"],
        then: Then::Out(&["builder/pipeline"]),
        again: &["svcadm enable builder/pipeline"],
    },
    Case {
        name: "one stage",
        orders: &["svcadm disable builder:pkg5"],
        then: Then::Out(&["builder:pkg5"]),
        again: &["svcadm enable builder:pkg5"],
    },
    Case {
        name: "one stage until the next boot, and wait",
        orders: &["svcadm disable -st builder:pkg5"],
        then: Then::OutAtOnce(&["builder:pkg5"]),
        again: &["svcadm enable -t builder:pkg5"],
    },
    Case {
        name: "one stage, and again within a second",
        orders: &["svcadm disable builder:pkg5", "svcadm enable builder:pkg5"],
        then: Then::GoesOn,
        again: &[],
    },
    Case {
        name: "the switch, and again within a second",
        orders: &["svcadm disable builder/pipeline", "svcadm enable builder/pipeline"],
        then: Then::GoesOn,
        again: &[],
    },
    Case {
        name: "the switch restarted",
        orders: &["svcadm restart builder/pipeline"],
        then: Then::GoesOn,
        again: &[],
    },
    Case {
        name: "the working stage and the one before it restarted",
        orders: &["svcadm restart builder:pkg5", "svcadm restart builder:illumos"],
        then: Then::GoesOn,
        again: &[],
    },
    Case {
        name: "a stage taken out",
        orders: &[
            "svccfg -s builder/pipeline:default delpropvalue pipeline/stages \
             svc:/application/builder:pkg5",
            "svcadm refresh builder/pipeline",
        ],
        then: Then::Out(&["builder:pkg5"]),
        again: &[
            "svccfg -s builder/pipeline:default addpropvalue pipeline/stages \
             svc:/application/builder:pkg5",
            "svcadm refresh builder/pipeline",
        ],
    },
    Case {
        name: "a stage taken out, then the switch, and wait",
        orders: &[
            "svccfg -s builder/pipeline:default delpropvalue pipeline/stages \
             svc:/application/builder:pkg5",
            "svcadm refresh builder/pipeline",
            "svcadm disable -s builder/pipeline",
        ],
        then: Then::OutAtOnce(&PIPELINE),
        again: &[
            "svccfg -s builder/pipeline:default addpropvalue pipeline/stages \
             svc:/application/builder:pkg5",
            "svcadm refresh builder/pipeline",
            "svcadm enable builder/pipeline",
        ],
    },
    Case {
        name: "everything, with the engine",
        orders: &["lamplighter down"],
        then: Then::Nothing,
        again: &["lamplighter up"],
    },
];

/// A world whose pkg5 can be caught in the middle of its build.
struct Run {
    world: World,
    hold: Hold,
    rounds: usize,
}

impl Run {
    fn begin(world: World) -> Run {
        let hold = Hold::on(&world, "pkg5");
        hold.leave_a_stranger();
        world.start();
        world.run("svcadm", &["enable", "builder/pipeline"]).ok();
        let run = Run { world, hold, rounds: 1 };
        run.completes("the first build");
        run
    }

    /// Everything is online with one more output of pkg5, none of illumos, and no half one.
    fn completes(&self, case: &str) {
        let world = &self.world;
        let done = || {
            world.worked(PKG5) == self.rounds
                && PIPELINE.iter().all(|instance| world.state(instance) == "online")
                && world.state("builder/pipeline") == "online"
        };
        await_true(&done, &|| format!("{case}: not done\n{}", world.story()));
        assert_eq!(world.worked(ILLUMOS), 1, "{case}: done again\n{}", world.story());
        assert_eq!(world.half_done(), [""; 0], "{case}");
        world.await_well();
    }

    /// Changes pkg5 and waits until its build is in the middle.
    fn catch(&mut self) {
        self.rounds += 1;
        let page = self.world.gates.join("pkg5/usr/src/man/pkg.5");
        let mut page = OpenOptions::new().append(true).open(page).unwrap();
        writeln!(page, ".\\\" round {}", self.rounds).unwrap();
        self.hold.arm();
        self.world.run("svcadm", &["restart", "builder:pkg5"]).ok();
        self.hold.await_held(&self.world);
        assert_eq!(self.world.state("builder:pkg5"), "offline*", "{}", self.world.story());
    }

    fn outputs(&self) -> Vec<PathBuf> {
        ["builder/illumos", "builder/pkg5", "builder/caiman", "merger/default", "imager/default"]
            .map(|stage| self.world.current(stage))
            .into()
    }

    fn say(&self, lines: &[&str]) {
        for line in lines {
            self.world.type_line(line).ok();
        }
    }

    fn case(&mut self, case: &Case) {
        let name = case.name;
        self.catch();
        let before = self.outputs();
        self.say(case.orders);
        let world = &self.world;
        match case.then {
            Then::GoesOn => {}
            Then::Nothing => assert_eq!(world.alive(), [""; 0], "{name}"),
            Then::OutAtOnce(instances) => {
                for instance in instances {
                    assert_eq!(world.state(instance), "disabled", "{name}\n{}", world.story());
                }
                assert_eq!(world.building(), [], "{name}\n{}", world.story());
            }
            Then::Out(instances) => {
                instances.iter().for_each(|instance| world.await_state(instance, "disabled"));
                assert_eq!(world.building(), [], "{name}\n{}", world.story());
            }
        }
        if !matches!(case.then, Then::GoesOn) {
            assert_eq!(self.outputs(), before, "{name}: something finished is lost");
            assert!(before.iter().all(|output| output.join("stamp").is_file()), "{name}");
        }
        self.hold.release();
        self.say(case.again);
        self.completes(name);
    }

    /// The order to go on comes while the stage, told to stop, is still ending its tools.
    fn changed_its_mind(&mut self) {
        self.hold.arm_the_end();
        self.catch();
        self.say(&["svcadm disable builder:pkg5"]);
        self.hold.await_ending(&self.world);
        self.say(&["svcadm enable builder:pkg5"]);
        self.hold.release();
        self.completes("enabled again while it ends");
    }
}

fn all_cases(world: World) {
    let mut run = Run::begin(world);
    for case in CASES {
        run.case(case);
    }
    run.changed_its_mind();
    run.world.run("svcadm", &["disable", "-s", "builder/pipeline"]).ok();
    assert_eq!(run.world.building(), [], "{}", run.world.story());
}

#[test]
fn as_root_with_cgroups_or_as_whoever_this_is() {
    all_cases(World::new());
}

#[test]
fn without_cgroups() {
    all_cases(World::new().with("LAMPLIGHTER_NO_CGROUP", "1"));
}

#[test]
fn as_nobody() {
    let Some(world) = World::unprivileged() else { return };
    all_cases(world);
}
