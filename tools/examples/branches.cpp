/* Two continuations of one text: branches MODEL [PROMPT]
 * Writes a beginning, forks it, and continues both texts in shared passes, each with its own noise.
 *
 *     c++ -std=c++17 branches.cpp $(pkg-config --cflags --libs foretell) -o branches
 *     ./branches "$(pkg-config --variable=model foretell)" "The dragon"
 */
#include <array>
#include <foretell.h>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>

namespace {

void must(foretell_status status) {
    if (status != FORETELL_OK) throw std::runtime_error(foretell_message());
}

template <typename Handle, void (*close)(Handle *)> struct Closer {
    void operator()(Handle *handle) const { close(handle); }
};
using Model = std::unique_ptr<foretell_model, Closer<foretell_model, foretell_model_close>>;
using Session = std::unique_ptr<foretell_session, Closer<foretell_session, foretell_session_close>>;
using Text = std::unique_ptr<foretell_text, Closer<foretell_text, foretell_text_close>>;

/* The handle that `open` makes, owned. */
template <typename Owner, typename Open, typename... Arguments> Owner opened(Open open, Arguments... arguments) {
    typename Owner::pointer handle = nullptr;
    must(open(&handle, arguments...));
    return Owner(handle);
}

Text forked(const Text &text, int32_t number) {
    foretell_text *copy = nullptr;
    must(foretell_text_fork(text.get(), &copy));
    Text owner(copy);
    must(foretell_text_renumber(copy, number));
    return owner;
}

void write(const char *path, const std::string &prompt) {
    const Model model = opened<Model>(foretell_model_open, path, nullptr);
    foretell_session_options options{};
    options.size = sizeof options;
    options.texts = 2;
    const Session session = opened<Session>(foretell_session_open, model.get(), &options);
    const Text first = opened<Text>(foretell_text_open, session.get(), nullptr);
    must(foretell_text_set(first.get(), "seed", "1"));
    must(foretell_text_append(first.get(), prompt.data(), prompt.size(), 0));

    std::array<foretell_step, 2> steps{};
    for (foretell_step &step : steps) step.size = sizeof step;
    std::string beginning = prompt;
    for (int i = 0; i < 10 && steps[0].end == FORETELL_GOES_ON; i++) {
        must(foretell_text_next(first.get(), &steps[0]));
        beginning.append(steps[0].bytes, steps[0].n_bytes);
    }

    const Text second = forked(first, 1);
    const std::array<foretell_text *, 2> texts = {first.get(), second.get()};
    std::array<std::string, 2> endings;
    for (int i = 0; i < 30; i++) {
        must(foretell_texts_next(texts.data(), texts.size(), steps.data()));
        for (size_t k = 0; k < texts.size(); k++) endings[k].append(steps[k].bytes, steps[k].n_bytes);
    }
    std::cout << beginning << " ...\n";
    for (const std::string &ending : endings) std::cout << "..." << ending << '\n';
}

} // namespace

int main(int argc, char **argv) {
    if (argc < 2 || argc > 3) {
        std::cerr << "usage: branches MODEL [PROMPT]\n";
        return 2;
    }
    try {
        write(argv[1], argc > 2 ? argv[2] : "The dragon");
    } catch (const std::exception &error) {
        std::cerr << "branches: " << error.what() << '\n';
        return 1;
    }
}
