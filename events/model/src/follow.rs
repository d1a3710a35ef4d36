//! What follows from facts by itself: a machine that becomes free goes to whoever waits first, an
//! operation whose last part ended is over.

use crate::deciding::{Deciding, Touched};
use crate::event::{Event, MachineFact};
use crate::{hypervisor, image, operation, renewal, session};

/// Hears every fact and looks at everything that changed, until nothing changes any more.
pub(crate) fn follow(deciding: &mut Deciding<'_>) {
    loop {
        while let Some(event) = deciding.next_unheard() {
            operation::hear(deciding, &event);
            if let Event::Machine(machine, fact) = &event {
                if let MachineFact::Deleted(_) = fact {
                    image::follow_initial(deciding, *machine);
                }
                renewal::hear(deciding, *machine, fact);
                session::follow::hear(deciding, *machine, fact);
            }
        }
        let Some(touched) = deciding.next_touched() else { return };
        match touched {
            Touched::Image(id) => {
                image::follow(deciding, id);
                operation::follow_image(deciding, id);
            }
            Touched::Machine(id) => {
                operation::follow_machine(deciding, id);
                renewal::follow(deciding, id);
                hypervisor::drain::follow(deciding, id);
                image::follow_machine(deciding, id);
                session::follow::follow_machine(deciding, id);
            }
            Touched::Operation(id) => operation::follow(deciding, id),
            Touched::Pool(id) => session::follow::follow_pool(deciding, id),
        }
    }
}
