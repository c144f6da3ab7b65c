use super::*;

fn read(line: &str) -> Cli {
    Cli::read(line.split(' ').map(OsString::from)).unwrap()
}

#[test]
fn the_command_line_is_consistent() {
    command().debug_assert();
}

#[test]
fn every_setting_is_a_flag_before_and_after_the_command() {
    let cli = read("cauldron-frappe --db-host a web --db-port 1 --db-password-file /x");
    let expected = [("db-host", "a"), ("db-password-file", "/x"), ("db-port", "1")];
    assert_eq!(cli.settings, expected.map(|(k, v)| (k.to_string(), v.to_string())).into());
}

#[test]
fn repeated_pools_are_joined_and_queue_is_an_alias() {
    let cli = read("cauldron-frappe worker --pool short,default=2 --pool long=1");
    assert_eq!(cli.settings["pool"], "short,default=2 long=1");
    assert_eq!(read("cauldron-frappe worker --queue short").settings["worker-queues"], "short");
    assert_eq!(read("cauldron-frappe bench worker --queue long").settings["worker-queues"], "long");
}

#[test]
fn a_setting_is_accepted_before_and_after_each_word_of_a_command() {
    for line in ["x apps list --site-name a", "x apps --site-name a list", "x --site-name a apps list"] {
        assert_eq!(read(line).settings["site-name"], "a", "{line}");
    }
}

#[test]
fn only_the_program_name_selects_git_askpass() {
    let words = ["/run/git-x/git-askpass", "Password for 'https://h': "];
    let Command::GitAskpass { program, prompt } = Cli::read(words.map(OsString::from)).unwrap().command
    else {
        panic!("not git-askpass")
    };
    assert_eq!((program.to_str(), prompt.as_str()), (Some(words[0]), words[1]));
    assert!(matches!(read("cauldron-frappe git-askpass x").command, Command::Run { .. }));
}

#[test]
fn a_legacy_command_accepts_every_global_option() {
    for line in ["x --print-config --db-host a bench schedule", "x bench schedule --db-host=a --print-config"]
    {
        let cli = read(line);
        assert!(cli.print_config && matches!(cli.command, Command::Scheduler), "{line}");
        assert_eq!(cli.settings["db-host"], "a", "{line}");
    }
    let run = |line| matches!(read(line).command, Command::Run { .. });
    assert!(run("x bench schedule --help") && run("x bench start --no-prefix"), "the bench's own options");
    assert!(run("x bench start -e"), "one letter is none of ours");
}

#[test]
fn arguments_after_the_double_dash_belong_to_the_program() {
    let cli = read("cauldron-frappe run --restart --grace 1s -- sleep --grace 5");
    let Command::Run { restart, command } = cli.command else { panic!("not run") };
    assert!(restart && command == ["sleep", "--grace", "5"]);
    assert_eq!(cli.settings["grace"], "1s");
}
