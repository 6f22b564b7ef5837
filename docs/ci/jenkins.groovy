// A Jenkinsfile: deploy what was pushed to main, under guard.
// The agent needs holdfast and git. Credentials (secret text): holdfast-key, the contents of the key file;
// holdfast-sign-in, the sign-in file of the org; docs/guide/prepare.md has other ways to sign in. HOLDFAST_REPO is a bucket of an
// object store.
pipeline {
    agent { label 'holdfast' }
    options { disableConcurrentBuilds() }
    environment {
        HOLDFAST_KEY_FILE = 'holdfast.key'
        FROM = "${env.GIT_PREVIOUS_SUCCESSFUL_COMMIT ?: 'HEAD~1'}"
    }
    stages {
        stage('sign in') {
            environment {
                HOLDFAST_KEY = credentials('holdfast-key')
                HOLDFAST_SIGN_IN = credentials('holdfast-sign-in')
            }
            steps {
                sh '''
                    umask 077
                    printf '%s' "$HOLDFAST_KEY" > holdfast.key
                    printf '%s' "$HOLDFAST_SIGN_IN" > sign-in.json
                    holdfast org add prod --sign-in-file sign-in.json
                '''
            }
        }
        stage('deploy under guard') {
            steps {
                sh '''
                    holdfast guard deploy prod "git:$FROM..HEAD:force-app" --min-grade B --to guard
                '''
            }
        }
    }
    post {
        always {
            archiveArtifacts artifacts: 'guard/**', allowEmptyArchive: true
        }
    }
}
