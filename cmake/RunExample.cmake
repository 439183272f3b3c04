# SPDX-License-Identifier: MIT
# Runs one example (-DPROGRAM=) without input; its exit code must be 0, and its standard output must
# equal the file -DEXPECTED= if there is one.
execute_process(COMMAND "${PROGRAM}" INPUT_FILE /dev/null
                OUTPUT_VARIABLE output ERROR_VARIABLE errors RESULT_VARIABLE result TIMEOUT 50)
message("${output}")
if(errors)
  message("--- standard error:\n${errors}")
endif()
if(NOT result EQUAL 0)
  message(FATAL_ERROR "${PROGRAM} ended with: ${result}")
endif()
if(EXISTS "${EXPECTED}")
  file(READ "${EXPECTED}" expected)
  if(NOT output STREQUAL expected)
    message(FATAL_ERROR "the output differs from ${EXPECTED}:\n--- expected:\n${expected}--- end")
  endif()
endif()
