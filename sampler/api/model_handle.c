#include <stdio.h>
#include <string.h>

#include "sampler/api/handles.h"
#include "tensor/memory.h"
#include "tokenizer/beside.h"

typedef struct {
    foretell_progress *call;
    void *context;
} Progress;

static bool tell(void *context, size_t done, size_t total) {
    const Progress *progress = context;
    return !progress->call || progress->call(progress->context, done, total) == 0;
}

static bool open_all(foretell_model *model, const char *path, const foretell_model_options *options, Error *error) {
    Progress progress = {options->progress, options->context};
    char vocabulary[PATH_MAX];
    return model_map(&model->model, path, error) &&
           tokenizer_find_beside(vocabulary, options->tokenizer, path, error) &&
           tokenizer_open_beside(&model->tokenizer, vocabulary, path, model->model->config.vocab_size, error) &&
           model_pack(model->model, tell, &progress, error) && traits_open(&model->traits, model->tokenizer, error);
}

static void free_model(foretell_model *model) {
    traits_close(&model->traits);
    tokenizer_close(model->tokenizer);
    model_close(model->model);
    memory_free(model);
}

foretell_status foretell_model_open(foretell_model **model, const char *path, const foretell_model_options *given) {
    Error error;
    foretell_model_options options = {.size = sizeof options};
    if (!model) return api_refuse("model: expected somewhere to write the handle to, got NULL");
    *model = NULL;
    if (!path) return api_refuse("path: expected the name of a file, got NULL");
    foretell_status status = FORETELL_OK;
    if (given && (status = api_read(&options, sizeof options, given, END_OF(foretell_model_options, context),
                                    "foretell_model_options")))
        return status;
    foretell_model *opened = memory_alloc(1, sizeof *opened, "model", &error);
    if (!opened) return api_fail(&error);
    atomic_init(&opened->n_users, 1);
    if (!open_all(opened, path, &options, &error)) {
        free_model(opened);
        return api_fail(&error);
    }
    *model = opened;
    return FORETELL_OK;
}

void api_hold_model(foretell_model *model) { atomic_fetch_add(&model->n_users, 1); }

void foretell_model_close(foretell_model *model) {
    if (model && atomic_fetch_sub(&model->n_users, 1) == 1) free_model(model);
}

foretell_status foretell_model_describe(const foretell_model *model, foretell_model_info *info) {
    if (!model) return api_refuse("model: expected a handle, got NULL");
    foretell_status status = api_check_size(info, END_OF(foretell_model_info, format), "foretell_model_info");
    if (status) return status;
    const Config *config = &model->model->config;
    foretell_model_info full = {.vocab_size = config->vocab_size,
                                .context_length = config->context_length,
                                .dim = config->dim,
                                .n_layers = config->n_layers,
                                .n_heads = config->n_heads,
                                .n_kv_heads = config->n_kv_heads,
                                .bos = tokenizer_bos(model->tokenizer),
                                .eos = tokenizer_eos(model->tokenizer),
                                .weight_bytes = model_weight_bytes(model->model),
                                .name = model->model->name,
                                .format = model->model->format};
    api_fill(info, &full, sizeof full);
    return FORETELL_OK;
}
