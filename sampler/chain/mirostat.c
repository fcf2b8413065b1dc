#include "sampler/chain/mirostat.h"

#include <assert.h>
#include <math.h>

#include "sampler/chain/truncate.h"

Mirostat mirostat_start(double tau) { return (Mirostat){.mu = 2 * tau}; }

void mirostat_truncate(Mirostat mirostat, Candidates *candidates) {
    candidates_keep_probable(candidates, exp2(-mirostat.mu));
}

double mirostat_update(Mirostat *mirostat, double tau, double eta, const Candidates *candidates, int chosen) {
    assert(chosen >= 0 && chosen < candidates->count);
    double surprise = (candidates_surprisal(candidates, chosen) + candidates_log_mass(candidates)) / log(2);
    mirostat->mu -= eta * (surprise - tau);
    return surprise;
}
