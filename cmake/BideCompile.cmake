# How this project compiles its own targets: the standard, the warnings, the sanitizers. None of it reaches
# the programs that use the library.
#
# SPDX-License-Identifier: MIT OR Apache-2.0

set(BIDE_WARNINGS
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wundef
    -Wwrite-strings -Wvla -Wformat=2)

# bide_compile_options(<target>) sets them on a target of ours.
function(bide_compile_options target)
  set_target_properties(${target} PROPERTIES C_STANDARD 11 C_STANDARD_REQUIRED ON C_EXTENSIONS OFF)
  target_compile_definitions(${target} PRIVATE $<$<BOOL:${BIDE_DEBUG}>:BIDE_DEBUG=1>
                             $<$<BOOL:${BIDE_TASK_UCONTEXT}>:BIDE_TASK_UCONTEXT=1> ${BIDE_SYSTEM_DEFINITIONS})
  if(MINGW)
    # The C library of old has no %zu and %lld.
    target_compile_definitions(${target} PRIVATE __USE_MINGW_ANSI_STDIO=1)
  endif()
  if(CMAKE_C_COMPILER_ID MATCHES "GNU|Clang")
    target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:C>:${BIDE_WARNINGS}>")
    if(BIDE_WERROR)
      target_compile_options(${target} PRIVATE -Werror)
    endif()
  endif()
endfunction()

# Everything in one executable must agree on the sanitizers, so that these are set for the whole tree.
# Undefined behaviour ends the program: a test that only prints would pass.
if(BIDE_SANITIZE)
  add_compile_options(-fsanitize=${BIDE_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -g)
  add_link_options(-fsanitize=${BIDE_SANITIZE})
endif()
