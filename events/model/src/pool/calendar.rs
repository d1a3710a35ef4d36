//! Times of the week in which a pool behaves differently.

use jiff::civil::{Date, Time};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Span, Timestamp as Instant};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rejection::Rejection as Refused;
use super::{Calendar, Effect, Pool, Weekday};
use crate::deciding::{Decide, Deciding};
use crate::event::PoolFact as Fact;
use crate::ids::PoolId;
use crate::record::Timestamp;
use crate::rejection::Rejection;
use crate::version::latest::pool::CalendarTurned;

/// One for each day and night of a week, and as many for feasts.
const CALENDARS_MAX: usize = 28;
const MINUTES_OF_DAY: u16 = 24 * 60;

/// What calendars say at one moment, and when they will next say something.
#[derive(Clone, Debug, PartialEq)]
struct Said {
    effect: Option<Effect>,
    next: Option<Timestamp>,
}

/// Of the system: a time of a pool's calendars begins or ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TurnCalendar {
    pub pool: PoolId,
}

impl Decide for TurnCalendar {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        turn(deciding, self.pool);
        Ok(())
    }
}

/// Notes what the calendars say now, if that has changed.
pub(super) fn turn(deciding: &mut Deciding<'_>, id: PoolId) {
    let Some(pool) = deciding.fleet.pools.get(id) else { return };
    let said = say(&pool.settings.calendars, deciding.now());
    let known = Said { effect: pool.effect.clone(), next: pool.next_turn };
    if said != known {
        let Said { effect, next } = said;
        deciding.fact(id, Fact::CalendarTurned(CalendarTurned { effect, next }));
    }
}

impl Pool {
    /// Its calendars can be understood.
    pub(super) fn check_calendars(calendars: &[Calendar]) -> Result<(), Refused> {
        let most = CALENDARS_MAX;
        for (at, calendar) in calendars.iter().enumerate() {
            let bad = |why| Err(Refused::BadCalendar { number: at + 1, why });
            let in_day = calendar.from_minute < MINUTES_OF_DAY;
            match () {
                () if at >= most => return bad("a pool has at most 28 of them"),
                () if calendar.days.is_empty() => return bad("it has no days"),
                () if !in_day => return bad("it begins after the end of the day"),
                () if calendar.until_minute > MINUTES_OF_DAY => {
                    return bad("it ends after the end of the day");
                }
                () if zone(calendar).is_none() => {
                    let time_zone = calendar.time_zone.clone();
                    return Err(Refused::UnknownTimeZone { time_zone });
                }
                () => {}
            }
        }
        Ok(())
    }
}

/// The first calendar whose time it is says what holds.
fn say(calendars: &[Calendar], now: Timestamp) -> Said {
    let mut said = Said { effect: None, next: None };
    let Ok(instant) = Instant::from_microsecond(now.0) else { return said };
    for calendar in calendars {
        for (from, until) in times_around(calendar, instant) {
            if from <= now && now < until && said.effect.is_none() {
                said.effect = Some(calendar.effect.clone());
            }
            let turns = [from, until].into_iter().filter(|turn| *turn > now);
            said.next = said.next.into_iter().chain(turns).min();
        }
    }
    said
}

/// Its times from yesterday, whose night may not be over, to this day in a week.
fn times_around(calendar: &Calendar, now: Instant) -> Vec<(Timestamp, Timestamp)> {
    let Some(zone) = zone(calendar) else { return Vec::new() };
    let today = now.to_zoned(zone.clone()).date();
    let dates = (-1..=7).filter_map(|days| today.checked_add(Span::new().days(days)).ok());
    dates
        .filter(|date| calendar.days.iter().any(|day| is_on(*day, *date)))
        .filter_map(|date| {
            let last = if calendar.until_minute <= calendar.from_minute {
                date.tomorrow().ok()?
            } else {
                date
            };
            let from = moment(date, calendar.from_minute, &zone)?;
            Some((from, moment(last, calendar.until_minute, &zone)?))
        })
        .collect()
}

/// From the database that is built in, so that every process decides the same.
fn zone(calendar: &Calendar) -> Option<TimeZone> {
    let zone = TimeZoneDatabase::bundled().get(calendar.time_zone.as_str()).ok();
    zone.filter(|zone| !zone.is_unknown())
}

fn is_on(day: Weekday, date: Date) -> bool {
    use jiff::civil::Weekday as Day;
    date.weekday()
        == match day {
            Weekday::Monday => Day::Monday,
            Weekday::Tuesday => Day::Tuesday,
            Weekday::Wednesday => Day::Wednesday,
            Weekday::Thursday => Day::Thursday,
            Weekday::Friday => Day::Friday,
            Weekday::Saturday => Day::Saturday,
            Weekday::Sunday => Day::Sunday,
        }
}

/// A time that a change of clocks leaves out is as much later as they go forward.
fn moment(date: Date, minute: u16, zone: &TimeZone) -> Option<Timestamp> {
    let (date, minute) = match minute.checked_sub(MINUTES_OF_DAY) {
        Some(rest) => (date.tomorrow().ok()?, rest),
        None => (date, minute),
    };
    let (hour, minute) = (i8::try_from(minute / 60).ok()?, i8::try_from(minute % 60).ok()?);
    let time = Time::new(hour, minute, 0, 0).ok()?;
    let moment = zone.to_ambiguous_timestamp(date.to_datetime(time)).compatible().ok()?;
    Some(Timestamp(moment.as_microsecond()))
}
