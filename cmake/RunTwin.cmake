# SPDX-License-Identifier: MIT
# Runs the weakened twin of a model (-DPROGRAM=). It must end by itself with a code that is not 0, and
# say what relacy found: a crash is no proof, neither is a program that could not be started.
execute_process(COMMAND "${PROGRAM}" INPUT_FILE /dev/null
                OUTPUT_VARIABLE output ERROR_VARIABLE output RESULT_VARIABLE result TIMEOUT 290)
string(LENGTH "${output}" length)
if(length GREATER 4000)
  string(SUBSTRING "${output}" 0 4000 shown)
  set(shown "${shown}\n...")
else()
  set(shown "${output}")
endif()
message("${shown}")
if(result EQUAL 0)
  message(FATAL_ERROR "the weakened twin passes: the model does not see what it is there to see")
endif()
if(NOT result MATCHES "^[0-9]+$")
  message(FATAL_ERROR "the twin did not end by itself: ${result}")
endif()
set(verdicts "USER ASSERT FAILED|USER INVARIANT FAILED|DATA RACE|ACCESS TO FREED MEMORY|DOUBLE FREE"
             "MEMORY LEAK|RESOURCE LEAK|ACCESS TO UNINITIALIZED VARIABLE|DEADLOCK|LIVELOCK|MUTEX")
list(JOIN verdicts "|" verdicts)
if(NOT output MATCHES "${verdicts}")
  message(FATAL_ERROR "the twin ended with ${result}, but not by a verdict of relacy")
endif()
