//! What the tasks of all workflows come to for each phase of employment: the sections `[joiner]`, `[mover]`, `[leaver]`.

use super::super::import::{list, quoted};
use super::tasks::Moment;
use super::{Import, section};

impl Import {
    pub(super) fn settings(&mut self) {
        let tells = self.idle_after.is_some()
            || !self.notify.is_empty()
            || self.pass.is_some()
            || self.remind_before.is_some();
        for moment in [Moment::Joiner, Moment::Mover, Moment::Leaver] {
            let notify = self.notify.get(&moment);
            let days = match moment {
                Moment::Joiner => (self.create_before > 0).then_some(("create_before", self.create_before)),
                Moment::Mover => None,
                Moment::Leaver => self.delete_after.map(|days| ("delete_after", days)),
            };
            let pass = self.pass.take_if(|_| moment == Moment::Joiner);
            let remind = self.remind_before.filter(|_| moment == Moment::Leaver);
            let sponsorships = self.sponsorships && moment == Moment::Leaver;
            if notify.is_none() && days.is_none() && pass.is_none() && remind.is_none() && !sponsorships {
                continue;
            }
            let section = section(moment);
            self.draft.line("");
            self.draft.line(&format!("[{section}]"));
            if let Some((key, days)) = days {
                self.draft
                    .at(&format!("{section}.{key}"), &format!("{key} = \"{days}d\""));
            }
            if sponsorships {
                self.draft.at("leaver.sponsorships", "sponsorships = \"manager\"");
            }
            if let Some(days) = remind {
                let line = format!("remind_before = \"{days}d\"");
                self.draft.at(&format!("{section}.remind_before"), &line);
            }
            if let Some((days, minutes)) = pass {
                self.draft
                    .comment("joiner.pass", &format!("pass_before = \"{days}d\""));
                if let Some(minutes) = minutes {
                    self.draft
                        .comment("joiner.pass", &format!("pass_lifetime = \"{minutes}m\""));
                }
            }
            if let Some(notify) = notify {
                let line = format!("notify = {}", list(notify.iter().copied()));
                self.draft.at(&format!("{section}.notify"), &line);
            }
        }
        if let Some(days) = self.idle_after {
            self.draft.line("");
            self.draft.comment("inactivity", "[inactivity]");
            self.draft
                .comment("inactivity.after", &format!("after = \"{days}d\""));
        }
        if tells {
            self.draft.line("");
            self.draft.line("# Nothing is sent until a mailbox is named:");
            self.draft.line("# [notify]");
            self.draft
                .line(&format!("# from = {}", quoted("hr-robot@your.example")));
        }
    }
}
