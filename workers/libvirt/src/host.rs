//! One host, as whoever works on it holds it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use uuid::Uuid;
use virt::connect::Connect;

use crate::known::Known;
use crate::lines::{Lines, Load, Plan};
use crate::trouble::Trouble;

/// What connects to a libvirtd, and how much of it at once.
#[derive(Clone, Debug)]
pub struct Settings {
    pub uri: String,
    pub deadlines: Deadlines,
    /// Calls that change something, at once.
    pub acting_max: usize,
    /// Calls that look, at once.
    pub looking_max: usize,
    /// Questions to guests, and to QEMU about who looks at them, at once.
    pub asking_max: usize,
    /// Moves to other hosts, at once.
    pub moving_max: usize,
}

/// After so long whoever has called hears that libvirtd can't be reached.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    pub look: Duration,
    /// Of a domain that is changed. libvirt itself waits 30 s for a lock of another call.
    pub act: Duration,
    /// Of a domain that is started or cut off. libvirt gives QEMU 30 s to open its monitor, and
    /// kills one that doesn't end after 15 s.
    pub power: Duration,
    pub agent: Duration,
    pub migrate: Duration,
}

/// libvirtd works on 20 calls at a time unless it is told otherwise, and five of one connection.
/// Each of these has a connection of its own, and some are left for others.
const ACTING_MAX: usize = 9;
const LOOKING_MAX: usize = 3;
/// Guests and QEMUs that hang hold up no others than those that are asked, too.
const ASKING_MAX: usize = 4;
/// More would only share the line between hosts.
const MOVING_MAX: usize = 2;

impl Settings {
    pub fn new(uri: &str) -> Self {
        Self {
            uri: uri.to_owned(),
            deadlines: Deadlines::default(),
            acting_max: ACTING_MAX,
            looking_max: LOOKING_MAX,
            asking_max: ASKING_MAX,
            moving_max: MOVING_MAX,
        }
    }
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            look: Duration::from_secs(10),
            act: Duration::from_secs(45),
            power: Duration::from_secs(90),
            agent: Duration::from_secs(15),
            migrate: Duration::from_secs(60 * 60),
        }
    }
}

/// All calls block, and may be made from many threads at once; for one domain there is one at a
/// time.
#[derive(Debug)]
pub struct Host {
    pub(crate) settings: Settings,
    pub(crate) known: Arc<Known>,
    pub(crate) turns: Arc<Turns>,
    looking: Lines,
    asking: Lines,
    acting: Lines,
    moving: Lines,
}

/// What is written into a domain is read before: of each domain one has its turn at a time.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<HashMap<Uuid, Weak<Mutex<()>>>>);

impl Turns {
    pub(crate) fn of(&self, uuid: Uuid) -> Arc<Mutex<()>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = all.get(&uuid).and_then(Weak::upgrade) {
            return turn;
        }
        all.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::default();
        all.insert(uuid, Arc::downgrade(&turn));
        turn
    }
}

/// By how much calls hold each other up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loads {
    pub looking: Load,
    pub asking: Load,
    pub acting: Load,
    pub moving: Load,
}

impl Host {
    /// Connects to nothing yet.
    pub fn new(settings: Settings) -> Self {
        // As many may be stuck as may work: a libvirtd that hangs costs twice the threads at most.
        let lines = |name, lines_max| {
            let uri = settings.uri.clone();
            Lines::new(Plan { uri, name, lines_max, stuck_max: lines_max })
        };
        Self {
            known: Arc::default(),
            turns: Arc::default(),
            looking: lines("look", settings.looking_max),
            asking: lines("ask", settings.asking_max),
            acting: lines("act", settings.acting_max),
            moving: lines("move", settings.moving_max),
            settings,
        }
    }

    pub fn loads(&self) -> Loads {
        let all = [&self.looking, &self.asking, &self.acting, &self.moving];
        let [looking, asking, acting, moving] = all.map(Lines::load);
        Loads { looking, asking, acting, moving }
    }

    pub(crate) fn look<T: Send + 'static>(
        &self,
        about: Option<Uuid>,
        call: impl FnOnce(&Connect) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Trouble> {
        self.looking.call(self.settings.deadlines.look, about, call)
    }

    pub(crate) fn act<T: Send + 'static>(
        &self,
        about: Option<Uuid>,
        call: impl FnOnce(&Connect) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Trouble> {
        self.acting.call(self.settings.deadlines.act, about, self.in_turn(about, call))
    }

    /// What has been seen. Whoever does it takes care of turns.
    pub(crate) fn note_down<T: Send + 'static>(
        &self,
        about: Option<Uuid>,
        call: impl FnOnce(&Connect) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Trouble> {
        self.acting.call(self.settings.deadlines.act, about, call)
    }

    fn in_turn<T>(
        &self,
        about: Option<Uuid>,
        call: impl FnOnce(&Connect) -> Result<T, Trouble> + Send + 'static,
    ) -> impl FnOnce(&Connect) -> Result<T, Trouble> + Send + 'static {
        let turn = about.map(|uuid| self.turns.of(uuid));
        move |connect| {
            let _turn = turn.as_ref().map(|it| it.lock().unwrap_or_else(PoisonError::into_inner));
            call(connect)
        }
    }

    pub(crate) fn power<T: Send + 'static>(
        &self,
        about: Option<Uuid>,
        call: impl FnOnce(&Connect) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Trouble> {
        self.acting.call(self.settings.deadlines.power, about, self.in_turn(about, call))
    }

    pub(crate) fn ask_agent<T: Send + 'static>(
        &self,
        about: Uuid,
        call: impl FnOnce(&Connect) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Trouble> {
        self.asking.call(self.settings.deadlines.agent, Some(about), call)
    }

    pub(crate) fn ask_monitor<T: Send + 'static>(
        &self,
        about: Uuid,
        call: impl FnOnce(&Connect) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Trouble> {
        self.asking.call(self.settings.deadlines.look, Some(about), call)
    }

    pub(crate) fn move_away<T: Send + 'static>(
        &self,
        about: Uuid,
        call: impl FnOnce(&Connect) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Trouble> {
        self.moving.call(self.settings.deadlines.migrate, Some(about), call)
    }
}
