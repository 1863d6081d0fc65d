# Prints the name of each file given that is no Ruby; nothing is run.
$stdout.sync = true
$VERBOSE = nil
ARGV.each do |name|
  RubyVM::InstructionSequence.compile(File.read(name, encoding: "UTF-8"))
rescue SyntaxError, ArgumentError, EncodingError => error
  puts "#{name}:0: error: #{error.class}"
end
