// SPDX-License-Identifier: MIT
//
// main() for a fuzz target without libFuzzer: runs LLVMFuzzerTestOneInput once with an empty input
// and once with each file named on the command line (folders: each file in them). So every
// compiler and build type checks the corpus, and a failing input can be debugged with g++ and gdb.
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <ios>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

bool replay(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    std::fprintf(stderr, "cannot read %s\n", path.c_str());
    return false;
  }
  const std::vector<char> input{std::istreambuf_iterator<char>(file), {}};
  // Printed before the run: the last line names the input that crashed.
  std::printf("%s (%zu bytes)\n", path.c_str(), input.size());
  std::fflush(stdout);
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
  return true;
}

bool replay_all(int argc, char** argv) {
  LLVMFuzzerTestOneInput(nullptr, 0);
  bool all_read = true;
  size_t files = 0;
  for (int i = 1; i < argc; ++i) {
    const std::filesystem::path path(argv[i]);
    if (!std::filesystem::is_directory(path)) {
      all_read = replay(path) && all_read;
      ++files;
      continue;
    }
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
      if (entry.is_regular_file()) {
        all_read = replay(entry.path()) && all_read;
        ++files;
      }
    }
  }
  std::printf("replayed %zu files\n", files);
  return all_read && files > 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return replay_all(argc, argv) ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
