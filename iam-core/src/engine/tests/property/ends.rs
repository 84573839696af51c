//! How everybody should be at the end: compared with a fresh look at the latest records.

use super::*;

impl Story {
    /// The account of somebody, unless it is deleted.
    fn account(&self, who: usize) -> Option<Account> {
        let accounts = self
            .world
            .of(IDS[who])
            .into_iter()
            .filter_map(|actual| actual.account);
        accounts.into_iter().find(|account| !account.deleted)
    }

    /// The manager whom HR names, as far as HR has told of them.
    fn named(&self, who: usize) -> Option<usize> {
        let key = self.latest.get(&who)?.manager_id.clone()?;
        IDS.iter()
            .position(|id| key.as_str() == *id)
            .filter(|at| self.latest.contains_key(at))
    }

    /// Who acts as the manager: the first one up who has not left. Nobody where the chain comes back.
    fn acting(&self, who: usize) -> Option<usize> {
        let named = self.named(who).filter(|named| *named != who)?;
        if self.phase(named) != "gone" {
            return Some(named);
        }
        let mut chain = vec![named];
        while let Some(next) = self
            .named(chain[chain.len() - 1])
            .filter(|next| !chain.contains(next))
        {
            chain.push(next);
        }
        let acting = chain.iter().copied().find(|above| self.phase(*above) != "gone");
        acting.filter(|_| !chain.contains(&who))
    }

    /// Whether the chain of managers comes back to somebody.
    fn is_circle(&self, who: usize) -> bool {
        let mut seen = vec![who];
        let mut above = self.named(who);
        while let Some(next) = above {
            if seen.contains(&next) {
                return true;
            }
            seen.push(next);
            above = self.named(next);
        }
        false
    }

    fn check_errands(&self, who: usize, account: &str, state: &PersonState, seen: &str) {
        use ErrandState::{Done, Owed, Stuck, Unsure, Void};
        let phase = self.phase(who);
        let state_of = |errand| state.errand(errand).map(|known| known.state);
        let beside = |what| self.world.target.beside(account, what);
        let (reply, answers) = (
            state.reply.as_ref().map(|reply| reply.state),
            self.world.reply(IDS[who]),
        );
        let acting = self.acting(who).and_then(|who| self.account(who));
        let sent = |pass: &str| {
            let passes = self.world.notices.passes.lock().unwrap();
            passes.iter().any(|sent| sent.contains(pass))
        };
        match phase {
            "gone" => {
                assert!(
                    matches!(reply, None | Some(Done | Void | Unsure)),
                    "{seen} {reply:?}"
                );
                assert!(reply != Some(Done) || answers.is_some(), "{seen}");
                for (errand, what) in HAND_OVERS {
                    let (state, taken) = (state_of(errand), beside(what));
                    let settled = match state {
                        None => taken.is_none() || stays(errand),
                        Some(Done) => taken.is_some_and(|by| by != account),
                        Some(Void | Unsure) => true,
                        Some(Owed) => acting.is_none(),
                        _ => false,
                    };
                    assert!(settled, "{seen}: {what} {state:?}");
                }
                let pass = state_of(Errand::Pass);
                assert!(matches!(pass, None | Some(Stuck)), "{seen}: pass {pass:?}");
                assert!(pass.is_some() || beside("pass").is_none(), "{seen}: a pass");
            }
            "at work" => {
                // One that failed for a week is reported, and left to somebody else.
                assert!(matches!(reply, None | Some(Stuck)), "{seen}: reply {reply:?}");
                assert!(reply.is_some() || answers.is_none(), "{seen}: {answers:?}");
                for (errand, what) in HAND_OVERS {
                    let state = state_of(errand);
                    assert!(matches!(state, None | Some(Stuck)), "{seen}: {what} {state:?}");
                    let alone = state.is_some() || stays(errand) || beside(what).is_none();
                    assert!(alone, "{seen}: {what}");
                }
            }
            _ => {}
        }
        if matches!(phase, "staged" | "at work") {
            let powerful = self.wanted(who).contains("Security Reader")
                || self.world.look(IDS[who]).contains("Security Reader");
            let pass = state_of(Errand::Pass);
            match pass {
                Some(Done) => assert!(beside("pass").is_some_and(|pass| sent(&pass)), "{seen}: pass"),
                None => {
                    let starts = self.latest[&who].hire_date;
                    let later = starts.is_some_and(|starts| starts > self.today() + 1.days());
                    assert!(phase == "at work" || powerful || later, "{seen}: no pass");
                }
                Some(Owed) => assert!(powerful, "{seen}: pass owed"),
                _ => {}
            }
            let stands = self.acting(who).filter(|_| !self.is_circle(who));
            if let Some(manager) = stands.and_then(|manager| self.account(manager)) {
                let linked = self.account(who).unwrap().manager;
                assert_eq!(linked, Some(manager.id), "{seen}");
            }
        }
    }

    /// Whatever was before: somebody new leads everybody, and then everybody leaves while one thing goes wrong.
    pub(super) async fn all_leave(&mut self, failure: (usize, usize, u8)) {
        let mut boss = Person::new(PersonKey::new("W-9"));
        (boss.given_name, boss.family_name) = (Some("Kim".into()), Some("Lee".into()));
        (boss.department, boss.job_title) = (Some("Other".into()), Some("Clerk".into()));
        self.world.engine.accept([boss]).await.unwrap();
        let at_work: Vec<usize> = self
            .latest
            .keys()
            .copied()
            .filter(|who| self.phase(*who) == "at work")
            .collect();
        for who in &at_work {
            let mut person = self.latest[who].clone();
            (person.manager_id, person.last_day) = (Some(PersonKey::new("W-9")), None);
            self.accept(*who, person).await;
        }
        self.settle(1).await;
        for who in &at_work {
            let person = Person {
                status: Status::Terminated,
                ..self.latest[who].clone()
            };
            self.accept(*who, person).await;
        }
        self.fails(failure);
        self.world.run().await;
        self.settle(1).await;
        let boss = self.world.account("W-9");
        for who in &at_work {
            let id = IDS[*who];
            let account = self.account(*who).unwrap();
            let state = self
                .world
                .engine
                .person(&PersonKey::new(id))
                .await
                .unwrap()
                .unwrap();
            let seen = format!(
                "{id} has left at last: {} {:?}",
                self.world.look(id),
                self.today()
            );
            assert!(
                !account.enabled && self.world.look(id).ends_with("blocked: "),
                "{seen}"
            );
            for (errand, what) in HAND_OVERS {
                let known = state.errand(errand).map(|known| known.state);
                let taken = self.world.target.beside(&account.id, what);
                let done = known == Some(ErrandState::Done) && taken.as_ref() == Some(&boss);
                assert!(
                    done || known == Some(ErrandState::Void),
                    "{seen}: {what} {known:?} {taken:?}"
                );
            }
            let reply = state.reply.map(|reply| reply.state);
            let done = reply == Some(ErrandState::Done) && self.world.reply(id).is_some();
            assert!(done || reply == Some(ErrandState::Void), "{seen}: {reply:?}");
        }
    }

    /// Compares everybody with a fresh look at the records; `grace` allows what is kept for some days.
    pub(super) async fn check(&self, grace: bool) {
        for &who in self.latest.keys() {
            let (id, phase) = (IDS[who], self.phase(who));
            let seen = || format!("{id} {phase}: {} {:?}", self.world.look(id), self.today());
            let all = self.world.of(id);
            let live: Vec<&Actual> = all
                .iter()
                .filter(|actual| !actual.account.as_ref().unwrap().deleted)
                .collect();
            assert!(live.len() <= 1, "{}", seen());
            let enabled = live.iter().any(|actual| actual.account.as_ref().unwrap().enabled);
            let mut held: BTreeSet<String> = live
                .iter()
                .flat_map(|actual| &actual.held)
                .map(|held| held.entitlement.name.clone())
                .collect();
            assert_eq!(enabled, phase == "at work", "{}", seen());
            let key = PersonKey::new(id);
            let state = self.world.engine.person(&key).await.unwrap().unwrap();
            if let [account] = live.as_slice() {
                self.check_errands(who, &account.account.as_ref().unwrap().id, &state, &seen());
            }
            if phase == "gone" {
                assert!(held.is_empty(), "{}", seen());
            }
            if phase != "at work" && phase != "staged" {
                continue;
            }
            assert_eq!(live.len(), 1, "{}", seen());
            let by_hand = held.remove("by hand");
            assert!(by_hand || !self.given.contains(&who), "{}", seen());
            let mut wanted = self.wanted(who);
            if phase == "staged" {
                wanted.remove("Security Reader");
                held.remove("Security Reader");
            }
            let names = |owned: &crate::plan::Owned| owned.entitlement.name.clone();
            let owned: BTreeSet<String> = state.ledger.iter().map(names).collect();
            assert!(held.is_subset(&owned), "{} but the ledger has {owned:?}", seen());
            if grace {
                for name in ["sg-security", "Security Reader"] {
                    if !wanted.contains(name) {
                        held.remove(name);
                    }
                }
            }
            let held: BTreeSet<&str> = held.iter().map(String::as_str).collect();
            assert_eq!(held, wanted, "{}", seen());
        }
        assert_eq!(self.world.engine.plan().await.unwrap().steps(), 0);
    }
}
